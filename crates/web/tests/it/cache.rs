//! The cache in a real Redis.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use futures_util::future::join_all;
use kiuas_common::Period;
use kiuas_common::redis::{Redis, RedisSettings};
use kiuas_common::testing::TestRedis;
use kiuas_web::Cache;
use kiuas_web::cache::CacheError;

const HOUR: Duration = Duration::from_secs(3600);

fn cache(redis: &TestRedis) -> Cache {
    Cache::new(Redis::cache(&redis.settings()).expect("Redis"))
}

#[tokio::test]
async fn a_value_stays_until_it_is_purged() {
    let redis = TestRedis::start();
    let cache = cache(&redis);
    cache.set("key", &vec![1, 2, 3], HOUR).await.expect("set");
    let value: Option<Vec<u8>> = cache.get("key").await.expect("get");
    assert_eq!(value, Some(vec![1, 2, 3]));
    cache.purge("key").await.expect("purge");
    assert_eq!(cache.get::<Vec<u8>>("key").await.expect("get"), None);
}

#[tokio::test]
async fn many_readers_of_a_missing_value_fill_it_once() {
    let redis = TestRedis::start();
    let cache = cache(&redis);
    let fills = Cell::new(0);
    let read = || async {
        let fill = async || {
            fills.set(fills.get() + 1);
            tokio::time::sleep(Duration::from_millis(30)).await;
            Ok::<_, Infallible>("value".to_owned())
        };
        cache.get_or_fill("key", HOUR, fill).await
    };
    let values = join_all((0..20).map(|_| read())).await;
    assert!(values.iter().all(|value| value.as_deref() == Ok("value")));
    assert_eq!(fills.get(), 1);
}

#[tokio::test]
async fn a_purge_during_a_fill_keeps_the_old_value_out() {
    let redis = TestRedis::start();
    let (filling, purging) = (cache(&redis), cache(&redis));
    let fill = async || {
        // Read before the change …
        let value = "old".to_owned();
        // … and another process purges meanwhile.
        purging.purge("key").await.expect("purge");
        Ok::<_, Infallible>(value)
    };
    let value = filling.get_or_fill("key", HOUR, fill).await;
    assert_eq!(value.as_deref(), Ok("old"));
    assert_eq!(filling.get::<String>("key").await.expect("get"), None);
}

#[tokio::test]
async fn a_fill_after_a_purge_is_kept() {
    let redis = TestRedis::start();
    let cache = cache(&redis);
    cache.purge("key").await.expect("purge");
    let fill = async || Ok::<_, Infallible>(7);
    cache.get_or_fill("key", HOUR, fill).await.expect("fill");
    assert_eq!(cache.get("key").await.expect("get"), Some(7));
}

#[tokio::test]
async fn a_failed_fill_is_not_kept() {
    let redis = TestRedis::start();
    let cache = cache(&redis);
    let fail = async || Err::<u8, _>("no");
    assert_eq!(cache.get_or_fill("key", HOUR, fail).await, Err("no"));
    let fill = async || Ok::<u8, &str>(1);
    assert_eq!(cache.get_or_fill("key", HOUR, fill).await, Ok(1));
}

#[tokio::test]
async fn without_redis_every_reader_fills_for_itself() {
    let settings = RedisSettings {
        url: "redis+unix:///nowhere/redis.sock".to_owned(),
        acquire_timeout: Period::milliseconds(200),
        ..RedisSettings::default()
    };
    let cache = Cache::new(Redis::cache(&settings).expect("Redis"));
    let fill = async || Ok::<_, Infallible>(3);
    assert_eq!(cache.get_or_fill("key", HOUR, fill).await, Ok(3));
}

#[tokio::test]
async fn keys_and_values_are_bounded() {
    let redis = TestRedis::start();
    let cache = cache(&redis);
    let error = cache.set(&"k".repeat(300), &1, HOUR).await;
    assert!(matches!(error, Err(CacheError::Key { .. })), "{error:?}");
    let error = cache.set("key", &"x".repeat(2 << 20), HOUR).await;
    assert!(
        matches!(error, Err(CacheError::TooLarge { .. })),
        "{error:?}"
    );
}
