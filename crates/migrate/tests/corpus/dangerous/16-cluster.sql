-- expect: cluster
CLUSTER poll USING poll_author;
