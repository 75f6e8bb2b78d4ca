"""Programs for the developers of this provider; none of them is shipped."""
