-- expect: unknown-statement
FROBNICATE TABLE poll;
