//! Settings of the proxy, as TOML: whatever they say, they are refused with problems or become a plan.
#![no_main]

use kiuas_proxy::plan::Plan;
use kiuas_proxy::settings::ProxySettings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(settings) = toml::from_str::<ProxySettings>(text) {
        if let Err(refused) = Plan::new(&settings) {
            assert!(!refused.problems.is_empty());
        }
    }
});
