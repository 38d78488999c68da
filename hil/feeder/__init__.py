"""The electrical network of the bench, as it would stand in the street: description and power flow.

Written from the publication, sharing nothing with the programs that are tested against it.
"""
