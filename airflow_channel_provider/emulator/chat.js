"use strict";
/* Every text goes through text nodes: nothing that a caller sent is ever read as HTML, and no link leads elsewhere than http. */
const $ = (id) => document.getElementById(id);
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) if (value !== null && value !== undefined) node.setAttribute(name, value);
  for (const child of children) if (child !== null && child !== undefined && child !== "") node.append(child);
  return node;
}
const clockTime = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const kinds = { group: "group", userChat: "user chat", directChat: "direct chat" };
const state = { view: null, chatId: new URLSearchParams(location.search).get("chat_id"), channelId: null, root: null };
const shown = {};

/* Draw a part only when its data has changed, so that focus and scroll position stay. */
function part(id, data, draw) {
  const key = JSON.stringify(data);
  if (shown[id] === key) return false;
  shown[id] = key;
  $(id).replaceChildren(...draw(data));
  return true;
}
function options(id, items, label) {
  const select = $(id), chosen = select.value;
  if (part(id, items, (list) => list.map((item) => el("option", { value: item.value }, label(item)))) && items.some((item) => item.value === chosen)) select.value = chosen;
}
function notice(text, bad) {
  $("notice").className = bad ? "bad" : "";
  $("notice").textContent = text;
}
async function ask(name, body) {
  const given = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(`/_emulator/${name}`, { cache: "no-store", ...given });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error || `HTTP ${answer.status}`);
  return content;
}
/* Do what a person wants, say what came of it, and show the new state. */
async function act(doing, done) {
  $("send").disabled = true;
  notice("…");
  try {
    const result = await doing();
    if (result && result.error) notice(result.error, true);
    else notice(done ? done(result) : "");
    return result;
  } catch (error) {
    notice(error.message, true);
    return null;
  } finally {
    $("send").disabled = false;
    await look();
  }
}

/* ---- who writes, and what */
function person() {
  const [kind, id] = [$("person").value.split(":")[0], $("person").value.slice($("person").value.indexOf(":") + 1)];
  return kind === "user" ? { user_id: id } : { manager_id: id };
}
const isUser = () => $("person").value.startsWith("user:");
const commands = () => (state.view ? state.view[isUser() ? "user_commands" : "manager_commands"] : []);
function typed() {
  const word = $("text").value.trim();
  return word.startsWith("/") ? commands().find((command) => `/${command.name}` === word) : undefined;
}
const argument = (parameter) => $("parameters").querySelector(`[data-parameter="${CSS.escape(parameter.name)}"]`);
function values(command) {
  const given = {};
  for (const parameter of command.parameters) {
    const value = argument(parameter).value;
    if (value !== "") given[parameter.name] = value;
  }
  return given;
}
function field(command, parameter) {
  const id = `parameter-${parameter.name}`, common = { id, "data-parameter": parameter.name, title: parameter.description || null };
  const label = el("label", { for: id }, `${parameter.name}${parameter.required ? " (required)" : ""}`);
  const choices = parameter.type === "bool" ? [{ name: "true", value: "true" }, { name: "false", value: "false" }] : parameter.choices;
  if (choices.length) {
    const list = choices.map((choice) => el("option", { value: String(choice.value) }, choice.name));
    return el("span", { class: "field" }, label, el("select", common, el("option", { value: "" }, ""), ...list));
  }
  if (!parameter.suggests) return el("span", { class: "field" }, label, el("input", { ...common, autocomplete: "off" }));
  const found = el("datalist", { id: `suggestions-${parameter.name}` });
  const input = el("input", { ...common, autocomplete: "off", list: found.id });
  for (const event of ["focus", "input"]) input.addEventListener(event, () => propose(command, parameter, found));
  return el("span", { class: "field" }, label, input, found);
}
let asked = 0;
/* Ask the app what may be typed, a moment after the last key; an answer that is overtaken is not shown. */
async function propose(command, parameter, list) {
  const number = ++asked;
  await new Promise((resume) => setTimeout(resume, 150));
  if (number !== asked || !argument(parameter)) return;
  try {
    const wanted = { name: command.name, app_id: command.app_id, chat_id: state.chatId, parameter: parameter.name, arguments: values(command), ...person() };
    const found = await ask("suggest", wanted);
    if (number !== asked) return;
    list.replaceChildren(...found.choices.map((choice) => el("option", { value: String(choice.value) }, choice.name)));
    $("hint").textContent = found.error || `${found.choices.length} suggestions for ${parameter.name}`;
  } catch (error) { $("hint").textContent = error.message; }
}
function drawCommand() {
  const command = typed(), word = $("text").value.trim();
  const key = command ? { ...command, person: $("person").value } : null;
  part("parameters", key, () => (command ? command.parameters.map((parameter) => field(command, parameter)) : []));
  const help = command ? command.description : word.startsWith("/") ? commands().map((one) => `/${one.name}`).join(" ") || "No command is registered here." : "";
  $("hint").textContent = help;
}

/* ---- what is shown */
function button(message, one, index) {
  if (one.kind === "web" && /^https?:\/\//i.test(one.url)) return el("a", { href: one.url, target: "_blank", rel: "noopener noreferrer" }, one.title);
  const node = el("button", { type: "button", disabled: one.kind ? null : "" }, one.title);
  node.addEventListener("click", () => act(() => ask("click_button", { message_id: message.id, button: index, ...person() }), said));
  return node;
}
function said(result) {
  if (result.text) return `The app says: ${result.text}`;
  return result.url || (result.type === "text" ? "Done; the app says nothing." : `The app opens a ${result.type}.`);
}
function message(one, replies) {
  const meta = el("div", { class: "meta" }, el("strong", {}, one.writer), one.writer_type, el("time", {}, clockTime(one.at)));
  if (!one.root_message_id) {
    const reply = el("button", { type: "button", "aria-label": `Reply to ${one.writer}: ${one.text.slice(0, 60)}` }, "Reply");
    reply.addEventListener("click", () => { state.root = one; drawReply(); $("text").focus(); });
    meta.append(reply);
  }
  const extras = [...one.buttons.map((each, index) => button(one, each, index)), ...one.files.map((name) => el("span", {}, `file ${name}`))];
  return el("li", { class: one.writer_type, id: one.id }, meta, el("div", { class: one.text ? "text" : "text empty" }, one.text || "no text"),
    extras.length ? el("div", { class: "extras" }, ...extras) : null, replies && replies.length ? el("ol", { "aria-label": "Thread" }, ...replies.map((reply) => message(reply))) : null);
}
function threads(list) {
  const ids = new Set(list.map((one) => one.id)), replies = {};
  for (const one of list) if (ids.has(one.root_message_id)) (replies[one.root_message_id] ||= []).push(one);
  return list.filter((one) => !ids.has(one.root_message_id)).map((one) => message(one, replies[one.id]));
}
function drawReply() {
  $("replying").hidden = !state.root;
  $("replying-to").textContent = state.root ? `Replying to ${state.root.writer}: ${state.root.text.slice(0, 80)}` : "";
}
function open(chatId) {
  state.chatId = chatId;
  state.root = null;
  drawReply();
  history.replaceState(null, "", `?chat_id=${encodeURIComponent(chatId)}`);
  return look();
}
function chatLink(chat) {
  const link = el("a", { href: `?chat_id=${encodeURIComponent(chat.id)}`, "aria-current": chat.id === state.chatId ? "page" : null }, chat.title, " ", el("span", { class: "dim" }, `${kinds[chat.type]} · ${chat.id}${chat.state ? ` · ${chat.state}` : ""}`));
  link.addEventListener("click", (event) => { event.preventDefault(); open(chat.id); });
  return el("li", {}, link);
}
function sent(entry) {
  const good = entry.state === "ok" || entry.state === "delivered", waits = entry.state === "waiting" || entry.state === "sending";
  return el("li", {}, el("strong", {}, entry.what), ` to ${entry.to} `, el("span", { class: good ? "good" : waits ? "dim" : "bad" }, entry.attempts > 1 ? `${entry.state}, try ${entry.attempts}` : entry.state),
    el("div", { class: "dim" }, clockTime(entry.at), entry.error ? ` · ${entry.error}` : ""));
}
function draw(view) {
  state.view = view;
  state.channelId = view.channel_id;
  state.chatId = view.chat ? view.chat.id : null;
  options("channel", view.channels.map((one) => ({ value: one.id, name: one.name })), (one) => `${one.name} (${one.value})`);
  $("channel").value = view.channel_id || "";
  const managers = view.managers.map((one) => ({ value: `manager:${one.id}`, name: `${one.name}, manager` }));
  const users = view.users.map((one) => ({ value: `user:${one.id}`, name: `${one.name}, customer` }));
  options("person", view.chat && view.chat.type === "userChat" ? [...managers, ...users] : managers, (one) => one.name);
  options("customer", view.users.map((one) => ({ value: one.id, name: one.name })), (one) => one.name);
  options("commands", commands().map((one) => ({ value: `/${one.name}`, name: one.description })), (one) => one.name);
  part("chats", [view.chats, state.chatId], ([chats]) => chats.map(chatLink));
  $("title").textContent = view.chat ? `${view.chat.title} (${kinds[view.chat.type]})` : "No chat";
  const log = $("messages"), atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  if (part("messages", [view.messages, state.chatId], ([list]) => (list.length ? threads(list) : [el("li", { class: "dim" }, "No messages yet.")])) && atEnd) log.scrollTop = log.scrollHeight;
  part("sent", view.sent, (list) => (list.length ? list.map(sent) : [el("li", { class: "dim" }, "Nothing yet. A webhook, or an app with a function endpoint, is told here.")]));
  if (!typed() || shown.parameters === "null") drawCommand();
}
let looks = 0;
async function look() {
  const number = ++looks, query = state.chatId ? { chat_id: state.chatId } : state.channelId ? { channel_id: state.channelId } : {};
  let well = true;
  try {
    const view = await ask(`conversation?${new URLSearchParams(query)}`);
    if (number === looks) draw(view);
  } catch (error) {
    well = false;
    if (/^no chat/.test(error.message)) { state.chatId = null; notice(error.message, true); }
  }
  if ($("live").textContent !== (well ? "Live" : "Not reachable")) {
    $("live").className = `chip ${well ? "good" : "bad"}`;
    $("live").textContent = well ? "Live" : "Not reachable";
  }
}
async function keepLooking() {
  if (!document.hidden) await look();
  setTimeout(keepLooking, 1000);
}

$("channel").addEventListener("change", () => { state.channelId = $("channel").value; state.chatId = null; state.root = null; drawReply(); history.replaceState(null, "", "/chat"); look(); });
$("text").addEventListener("input", drawCommand);
$("person").addEventListener("change", () => { if (state.view) draw(state.view); drawCommand(); });
$("no-reply").addEventListener("click", () => { state.root = null; drawReply(); $("text").focus(); });
$("new-chat").addEventListener("submit", async (event) => {
  event.preventDefault();
  const wanted = { channel_id: state.channelId, user_id: $("customer").value, text: $("first-text").value };
  const chat = await act(() => ask("open_chat", wanted), (made) => `Chat ${made.id} is open.`);
  if (chat) await open(chat.id);
});
$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("text").value.trim(), command = typed();
  if (!text || !state.chatId) return;
  if (text.startsWith("/") && !command) { notice(`There is no command ${text.split(/\s/)[0]} for this person.`, true); return; }
  const missing = command && command.parameters.find((parameter) => parameter.required && argument(parameter).value === "");
  if (missing) { notice(`${missing.name} is required`, true); argument(missing).focus(); return; }
  const where = { chat_id: state.chatId, root_message_id: state.root ? state.root.id : null, ...person() };
  const run = () => ask("run_command", { ...where, name: command.name, app_id: command.app_id, arguments: values(command), language: navigator.language.split("-")[0] });
  const result = command ? await act(run, said) : await act(() => ask("write_message", { ...where, text }));
  if (result && !result.error) { $("text").value = ""; drawCommand(); $("text").focus(); }
});
keepLooking();
