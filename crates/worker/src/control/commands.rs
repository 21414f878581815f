//! The commands, with Celery's names, arguments and answers.

use std::time::Duration;

use kiuas_common::Shutdown;
use kiuas_queue::control::{ControlRequest, REVOKED_FOR};
use kiuas_queue::{Broker, ExceptionInfo, ResultMeta, State};
use serde_json::{Map, Value, json};

use super::seconds;
use crate::execute::Executor;
use crate::limits::Rate;
use crate::running::Work;

impl<S: Send + Sync + 'static, B: Broker> Executor<S, B> {
    /// Does what is asked. `None`: no answer is due.
    pub(super) async fn obey(
        &self,
        request: &ControlRequest,
        shutdown: &Shutdown,
    ) -> Option<Value> {
        let answer = match request.method.as_str() {
            "ping" => ok("pong"),
            "active" | "dump_active" => self.active(),
            // Nothing is fetched that does not run at once, and what waits for its time is the
            // broker's.
            "reserved" | "dump_reserved" | "scheduled" | "dump_schedule" => json!([]),
            "registered" | "dump_tasks" => self.registered(request),
            "stats" => self.stats(),
            "active_queues" => self.active_queues(),
            "clock" => json!({ "clock": self.control.clock.now() }),
            "conf" | "dump_conf" => self.conf(),
            "report" => ok(&report()),
            "revoked" | "dump_revoked" => json!(self.control.revoked.all()),
            "query_task" => self.query(&request.texts("ids")),
            "hello" => return self.hello(request),
            "revoke" | "terminate" => self.revoke(request).await,
            "rate_limit" => self.rate_limit(request),
            "time_limit" => self.time_limit(request),
            "enable_events" | "disable_events" => self.switch_events(request),
            "heartbeat" => {
                self.events.heartbeat(self);
                Value::Null
            }
            "shutdown" => {
                tracing::info!("the remote control asks this worker to end");
                shutdown.begin();
                return None;
            }
            "election" => return None,
            other => error(&format!("this worker has no command `{other}`")),
        };
        Some(answer)
    }

    fn active(&self) -> Value {
        let works = self.running.works();
        works.iter().map(|work| self.info(work)).collect()
    }

    fn info(&self, work: &Work) -> Value {
        let Ok(envelope) = kiuas_queue::message::Envelope::parse(&work.delivery.raw) else {
            return Value::Null;
        };
        let body = envelope.body().unwrap_or_default();
        let headers = &envelope.headers;
        json!({
            "id": headers.id,
            "name": headers.task,
            "args": body.0,
            "kwargs": body.1,
            "type": headers.task,
            "hostname": self.control.node,
            "time_start": seconds(work.began),
            // It is acknowledged when it has run.
            "acknowledged": false,
            "delivery_info": {
                "exchange": "",
                "routing_key": work.delivery.queue,
                "priority": envelope.priority(),
                "redelivered": envelope.is_redelivered(),
            },
            "worker_pid": std::process::id(),
        })
    }

    fn registered(&self, request: &ControlRequest) -> Value {
        let wants_rates = request
            .arguments
            .get("taskinfoitems")
            .and_then(Value::as_array)
            .is_none_or(|items| items.is_empty() || items.contains(&json!("rate_limit")));
        self.registry
            .names()
            .map(
                |name| match self.limits.rate(name).filter(|_| wants_rates) {
                    Some(rate) => format!("{name} [rate_limit={rate}]"),
                    None => name.to_owned(),
                },
            )
            .collect::<Vec<_>>()
            .into()
    }

    fn stats(&self) -> Value {
        let usage = crate::usage::of_this_process();
        json!({
            "total": self.limits.totals(),
            "pid": std::process::id(),
            "clock": self.control.clock.now().to_string(),
            "uptime": self.control.started.elapsed().as_secs(),
            "pool": {
                "implementation": "kiuas",
                "max-concurrency": self.control.concurrency,
                "processes": [std::process::id()],
                "max-tasks-per-child": "N/A",
                "timeouts": [0, 0],
            },
            "broker": {
                "transport": self.queue.settings().broker.celery_transport(),
                "hostname": Value::Null,
            },
            "prefetch_count": self.control.concurrency,
            "rusage": usage,
        })
    }

    fn active_queues(&self) -> Value {
        let queues = self.control.queues.iter();
        queues
            .map(|name| {
                json!({
                    "name": name,
                    "exchange": {
                        "name": name,
                        "type": "direct",
                        "arguments": null,
                        "durable": true,
                        "passive": false,
                        "auto_delete": false,
                        "delivery_mode": null,
                        "no_declare": false,
                    },
                    "routing_key": name,
                    "queue_arguments": null,
                    "binding_arguments": null,
                    "consumer_arguments": null,
                    "durable": true,
                    "exclusive": false,
                    "auto_delete": false,
                    "no_ack": false,
                    "alias": null,
                    "bindings": [],
                    "no_declare": null,
                    "expires": null,
                    "message_ttl": null,
                    "max_length": null,
                    "max_length_bytes": null,
                    "max_priority": null,
                })
            })
            .collect()
    }

    /// The settings that Celery has too; no URL, which may hold a password.
    fn conf(&self) -> Value {
        let settings = self.queue.settings();
        json!({
            "task_default_queue": settings.default_queue,
            "result_expires": settings.result_expires.duration().as_secs(),
            "worker_concurrency": self.control.concurrency,
            "worker_prefetch_multiplier": 1,
            "task_acks_late": true,
            "task_reject_on_worker_lost": true,
            "task_serializer": "json",
            "accept_content": ["json"],
            "worker_send_task_events": self.events.is_on(),
        })
    }

    fn query(&self, ids: &[String]) -> Value {
        let mut found = Map::new();
        for work in self.running.works() {
            let info = self.info(&work);
            if let Some(id) = info["id"]
                .as_str()
                .filter(|id| ids.iter().any(|it| it == id))
            {
                found.insert(id.to_owned(), json!(["active", info]));
            }
        }
        Value::Object(found)
    }

    /// A worker that starts asks what is revoked.
    fn hello(&self, request: &ControlRequest) -> Option<Value> {
        if request.text("from_node") == Some(&self.control.node) {
            return None;
        }
        let theirs = request.arguments.get("revoked");
        let ids: Vec<String> = match theirs {
            Some(Value::Array(ids)) => ids.iter().filter_map(text).collect(),
            Some(Value::Object(ids)) => ids.keys().cloned().collect(),
            _ => Vec::new(),
        };
        for id in ids {
            self.control.revoked.add(id);
        }
        Some(json!({ "revoked": self.control.revoked.all(), "clock": self.control.clock.tick() }))
    }

    async fn revoke(&self, request: &ControlRequest) -> Value {
        let ids = request.texts("task_id");
        let terminate = request.method == "terminate"
            || request.arguments.get("terminate") == Some(&Value::Bool(true));
        for id in &ids {
            self.control.revoked.add(id.clone());
        }
        if let Err(error) = self.queue.note_revoked(&ids, REVOKED_FOR).await {
            let error = error.with_causes();
            tracing::warn!(
                error,
                "workers that start later do not hear what was revoked"
            );
        }
        let works = self.running.works();
        let running = |id: &String| works.iter().find(|work| work.id().as_deref() == Some(id));
        if terminate {
            let stopped: Vec<_> = ids.iter().filter(|id| running(id).is_some()).collect();
            for work in ids.iter().filter_map(running) {
                work.revoke();
            }
            let stopped: Vec<_> = stopped.iter().map(|id| id.as_str()).collect();
            return ok(&format!("terminate: {}", stopped.join(", ")));
        }
        let waiting: Vec<_> = ids.iter().filter(|id| running(id).is_none()).collect();
        self.store_revoked(&waiting).await;
        let quoted: Vec<_> = ids.iter().map(|id| format!("'{id}'")).collect();
        ok(&format!(
            "tasks {{{}}} flagged as revoked",
            quoted.join(", ")
        ))
    }

    /// Whoever waits for tasks that will not run hears of it now; not if they have ended already.
    async fn store_revoked(&self, ids: &[&String]) {
        let revoked = ExceptionInfo::new("celery.exceptions", "TaskRevokedError", "revoked");
        let mut ends = Vec::new();
        for id in ids {
            let id = id.as_str().into();
            let ended = matches!(
                self.queue.result(&id).await,
                Ok(Some(ref meta)) if meta.status.is_final() || meta.status == State::Started
            );
            if !ended {
                ends.push(ResultMeta::exception(id, State::Revoked, &revoked));
            }
        }
        if let Err(error) = self.queue.store(&ends).await {
            let error = error.with_causes();
            tracing::warn!(
                error,
                "cannot store that tasks were revoked; their turn will"
            );
        }
    }

    fn rate_limit(&self, request: &ControlRequest) -> Value {
        let Some(name) = self.known(request.text("task_name")) else {
            return error("unknown task");
        };
        let limit = match request.arguments.get("rate_limit") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        match limit.parse::<Rate>() {
            Ok(rate) if rate.is_none() => {
                self.limits.set_rate(name, None);
                ok("rate limit disabled successfully")
            }
            Ok(rate) => {
                self.limits.set_rate(name, Some(rate));
                ok("new rate limit set successfully")
            }
            Err(problem) => error(&format!("Invalid rate limit string: {problem}")),
        }
    }

    fn time_limit(&self, request: &ControlRequest) -> Value {
        let Some(name) = self.known(request.text("task_name")) else {
            return error("unknown task");
        };
        let limit = |name: &str| {
            let seconds = request.arguments.get(name)?.as_f64()?;
            Duration::try_from_secs_f64(seconds).ok()
        };
        self.limits.set_time(name, limit("soft"), limit("hard"));
        ok("time limits set successfully")
    }

    fn known(&self, name: Option<&str>) -> Option<&'static str> {
        Some(self.registry.get(name?)?.name)
    }

    fn switch_events(&self, request: &ControlRequest) -> Value {
        let on = request.method == "enable_events";
        let was = self.events.switch(on);
        let word = if on { "enabled" } else { "disabled" };
        match was == on {
            true => ok(&format!("task events already {word}")),
            false => ok(&format!("task events {word}")),
        }
    }
}

fn ok(text: &str) -> Value {
    json!({ "ok": text })
}

fn error(text: &str) -> Value {
    json!({ "error": text })
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn report() -> String {
    format!("\nsoftware -> kiuas:{}\n", env!("CARGO_PKG_VERSION"))
}
