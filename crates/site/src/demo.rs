//! Small tasks that show how the queue behaves. They do no harm and are always registered: the tests of
//! delivery use them, and so may a programmer with `site tasks send demo.add --args '[1, 2]'`.

pub(crate) mod store;
pub(crate) mod tasks;
