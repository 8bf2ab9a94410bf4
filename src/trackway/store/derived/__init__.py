"""Named expressions, sessions and cohorts: columns that are worked out when a question reads them."""
