use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::cgroup::{MemoryGroup, parse_limit, parse_oom_kills};
use super::maps::Maps;
use super::rollup::Rollup;
use super::stat::Stat;
use super::statm::Statm;
use super::thread::{ThreadState, parse_syscall, parse_wchan};

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

#[test]
fn names_with_parentheses_and_spaces_do_not_move_the_fields() {
    let text = "5149 (a) b (c)) S 5142 5142 31975 0 -1 4194304 128 0 0 0 150 50 0 0 20 0 1 0 \
                1192781 2990080 411 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0";
    let stat = Stat::parse(text).unwrap();
    assert_eq!(stat.state, 'S');
    assert_eq!(stat.cpu, Duration::from_secs(2));
    assert_eq!(stat.virtual_size, 2_990_080);
}

#[test]
fn this_process_is_understood() {
    let pid = own_pid();
    let stat = Stat::of(pid).unwrap();
    let resident = Statm::open(pid).unwrap().resident().unwrap();
    let rollup = Rollup::of(pid).unwrap();
    assert!(stat.virtual_size >= resident && resident > 100_000);
    assert!(rollup.pss >= rollup.uss && rollup.uss > 0);
    assert!(super::files::count(pid).unwrap() >= 3);
    assert!(ThreadState::of(pid, pid).state.is_some());
}

#[test]
fn a_process_that_has_ended_is_nothing() {
    assert_eq!(Stat::of(i32::MAX), None);
    assert!(Statm::open(i32::MAX).is_none());
    assert_eq!(super::files::count(i32::MAX), None);
    assert_eq!(ThreadState::of(i32::MAX, 1), ThreadState::default());
}

#[test]
fn the_file_of_an_address_and_its_base_are_found() {
    let text = "\
55d0c0000000-55d0c0010000 r--p 00000000 fe:00 42                         /usr/bin/a b
55d0c0010000-55d0c0090000 r-xp 0000f000 fe:00 42                         /usr/bin/a b
55d0c0100000-55d0c0200000 rw-p 00000000 00:00 0                          [heap]
7f0000001000-7f0000002000 r-xp 00001000 fe:00 43                         /lib/libc.so.6
rubbish
";
    let maps = Maps::parse(text);
    let place = maps.find(0x55d0_c001_0004).unwrap();
    assert_eq!(place.path, &PathBuf::from("/usr/bin/a b"));
    assert_eq!(place.base, 0x55d0_c000_0000);
    assert_eq!(maps.find(0x7f00_0000_1800).unwrap().base, 0x7f00_0000_0000);
    assert_eq!(maps.find(0x55d0_c010_0000), None);
    assert_eq!(maps.find(0), None);
}

#[test]
fn wait_channels_and_system_calls_are_told_from_their_placeholders() {
    assert_eq!(
        parse_wchan("hrtimer_nanosleep").as_deref(),
        Some("hrtimer_nanosleep")
    );
    assert_eq!(parse_wchan("0"), None);
    assert_eq!(parse_wchan("two words"), None);
    assert_eq!(parse_syscall("230 0x0 0x0"), Some(230));
    assert_eq!(parse_syscall("running"), None);
    assert_eq!(parse_syscall("-1 0x7f 0x8f"), None);
}

#[test]
fn the_memory_group_is_found_in_both_versions_and_inside_containers() {
    let root = tempfile::tempdir().unwrap();
    let group = |path: &str, file: &str, text: &str| {
        let directory = root.path().join(path);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(file), text).unwrap();
    };
    group(
        "memory/web",
        "memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    );
    group("app.slice", "memory.events", "low 0\noom 2\noom_kill 2\n");
    group("", "memory.events", "oom 0\noom_kill 1\n");
    let kills =
        |text: &str| MemoryGroup::parse(text, root.path()).and_then(|group| group.oom_kills());
    assert_eq!(kills("5:cpu,memory:/web\n0::/\n"), Some(3));
    assert_eq!(kills("0::/app.slice\n"), Some(2));
    assert_eq!(kills("0::/the/hosts/path\n"), Some(1));
    assert_eq!(kills("0::/../../etc\n"), None);
    assert_eq!(MemoryGroup::parse("", Path::new("/nowhere")), None);
}

#[test]
fn limits_that_are_none_are_told_from_numbers() {
    assert_eq!(parse_limit("max\n"), None);
    assert_eq!(parse_limit("9223372036854771712\n"), None);
    assert_eq!(parse_limit("125829120\n"), Some(125_829_120));
    assert_eq!(parse_oom_kills("oom_kill x"), None);
}

proptest! {
    #[test]
    fn any_text_is_survived(text in "\\PC*|[0-9a-f:() \\-/.\\n]*") {
        let _stat = Stat::parse(&text);
        let _resident = super::statm::parse(&text);
        let _rollup = Rollup::parse(&text);
        drop(parse_wchan(&text));
        let _call = parse_syscall(&text);
        drop(MemoryGroup::parse(&text, Path::new("/nowhere")));
        let maps = Maps::parse(&text);
        let _place = maps.find(0x1000);
        let _place = maps.find(u64::MAX);
    }
}
