//! What the modules of an application use daily: `use kiuas::prelude::*;`.

pub use actix_session::Session;
pub use actix_web::http::StatusCode;
pub use actix_web::web::{self, Data, Form, Json, Path, Query, ServiceConfig};
pub use actix_web::{HttpRequest, HttpResponse, Responder};
pub use kiuas_common::postgres::{Connection, Postgres, PostgresError, Row, Transaction};
pub use kiuas_common::{Bytes, Environment, Period, Shutdown};
pub use kiuas_migrate::MigrationSet;
pub use kiuas_queue::{
    Context, Queue, Registry, RetryPolicy, Task, TaskError, TaskId, TaskOptions,
};
pub use kiuas_web::csrf::Csrf;
pub use kiuas_web::flash::{self, Flash, Level};
pub use kiuas_web::{Cache, Live, Visitor, WebError, session, transaction};

pub use crate::{Application, Resources, Schedule};
