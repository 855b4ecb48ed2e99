"""Networks of the zoo, from the mixture's magnitude to the targets'."""
