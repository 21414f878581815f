use super::*;

#[test]
fn the_defaults_hold_the_drain_contract() {
    WebSettings::default()
        .check(Environment::Development)
        .expect("defaults");
}

#[test]
fn an_idle_grace_below_the_proxys_idle_limit_is_refused() {
    let settings = WebSettings {
        idle_grace: Period::seconds(4),
        ..WebSettings::default()
    };
    assert!(matches!(
        settings.check(Environment::Development),
        Err(WebSettingsError::DrainContract { .. })
    ));
}

#[test]
fn servers_refuse_the_development_key_and_short_keys() {
    for key in [DEVELOPMENT_KEY, "abc-xyz"] {
        let settings = WebSettings {
            secret_key: SecretKey::new(key),
            ..WebSettings::default()
        };
        for environment in [Environment::Staging, Environment::Production] {
            let error = settings.check(environment).expect_err(key).to_string();
            assert!(!error.contains(key), "{error}");
        }
        settings.check(Environment::Testing).expect(key);
    }
}

#[test]
fn the_key_never_prints() {
    let settings = WebSettings {
        secret_key: SecretKey::new("correct horse battery staple"),
        ..WebSettings::default()
    };
    let printed = format!(
        "{settings:?} {}",
        serde_json::to_string(&settings).expect("JSON")
    );
    assert!(!printed.contains("horse"), "{printed}");
}
