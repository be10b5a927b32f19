"""Plain values to pictures: charts, ranked lists, projections, the HTML report."""
