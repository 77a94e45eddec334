"""Working on a data set together: lists shared out without collisions, who is here."""
