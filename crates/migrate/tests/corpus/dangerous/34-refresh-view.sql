-- expect: refresh-view
REFRESH MATERIALIZED VIEW tally;
