"""How big, of a labelled table: metrics of classifiers and of corpora, from one tally of rows that are alike."""
