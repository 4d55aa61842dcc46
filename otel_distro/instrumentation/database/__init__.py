"""Databases: a span and measurements for each statement, and how full the connection pools are.

Values never leave: literals are masked in the text of a statement, and what a database says about
an error is left to the application, because it quotes rows.
"""
