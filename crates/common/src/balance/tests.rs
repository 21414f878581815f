use std::os::unix::fs::FileExt;

use super::*;

fn accepting(scales: Scales, connections: usize) -> Seat {
    let seat = scales.seat();
    seat.set_connections(connections);
    seat.set_accepts(true);
    seat
}

fn place(seat: &Seat) -> &'static Place {
    seat.sign.place().unwrap()
}

/// Whether the thread would wait at all.
fn waits(seat: &Seat) -> bool {
    seat.courtesy().waits()
}

/// How often one connection makes it wait.
fn patience(seat: &Seat) -> usize {
    let mut courtesy = seat.courtesy();
    (0..1000).take_while(|_| courtesy.waits()).count()
}

#[test]
fn a_thread_waits_only_for_those_that_are_lighter_and_accept() {
    let scales = Scales::detached().unwrap();
    let heavy = accepting(scales, 5);
    assert!(!waits(&heavy), "nobody else is there");
    let light = accepting(scales, 4);
    light.sign().waits();
    assert!(waits(&heavy) && !waits(&light));
    light.set_accepts(false);
    assert!(!waits(&heavy));
    light.set_accepts(true);
    light.set_connections(5);
    assert!(!waits(&heavy));
    light.set_connections(0);
    assert!(waits(&heavy));
    drop(light);
    assert!(!waits(&heavy));
}

#[test]
fn a_thread_that_runs_is_let_go_first_only_if_it_is_much_lighter() {
    let scales = Scales::detached().unwrap();
    let (heavy, light) = (accepting(scales, 5), accepting(scales, 4));
    assert!(!waits(&heavy));
    light.sign().waits();
    assert!(waits(&heavy));
    light.sign().runs();
    assert!(!waits(&heavy));
    light.set_connections(3);
    assert!(waits(&heavy));
}

#[test]
fn one_that_runs_is_waited_for_shortly_and_one_that_was_woken_longer() {
    let scales = Scales::detached().unwrap();
    let (heavy, light) = (accepting(scales, 5), accepting(scales, 0));
    assert_eq!(patience(&heavy), RUNNING as usize);
    light.sign().waits();
    assert_eq!(patience(&heavy), WOKEN as usize);
    // It began to run in the meantime, and has its time from then on.
    light.sign().runs();
    light.sign().waits();
    let mut courtesy = heavy.courtesy();
    assert!((0..WOKEN / 2).all(|_| courtesy.waits()));
    light.sign().runs();
    assert!((0..RUNNING).all(|_| courtesy.waits()));
    assert!(!courtesy.waits());
}

#[test]
fn who_was_waited_for_in_vain_is_not_waited_for_again_before_it_has_moved() {
    let scales = Scales::detached().unwrap();
    let (heavy, light) = (accepting(scales, 5), accepting(scales, 0));
    light.sign().waits();
    assert!(patience(&heavy) > 0);
    assert_eq!(patience(&heavy), 0);
    light.sign().runs();
    assert!(patience(&heavy) > 0);
    // Another one is waited for all the same.
    let other = accepting(scales, 1);
    other.sign().waits();
    assert!(patience(&heavy) > 0);
    assert_eq!(patience(&heavy), 0);
}

#[test]
fn patience_ends_even_if_the_others_never_stand_still() {
    let scales = Scales::detached().unwrap();
    let (heavy, light) = (accepting(scales, 5), accepting(scales, 0));
    let mut courtesy = heavy.courtesy();
    let waited = (0..1000).take_while(|_| {
        light.sign().waits();
        courtesy.waits()
    });
    assert_eq!(waited.count(), WOKEN as usize);
}

#[test]
fn nobody_waits_for_a_thread_that_gives_no_sign() {
    let scales = Scales::detached().unwrap();
    let (heavy, light) = (accepting(scales, 5), accepting(scales, 0));
    place(&light).heartbeat.store(now() - 2 * SILENT, Relaxed);
    assert!(!waits(&heavy));
    light.beat();
    assert!(waits(&heavy));
}

#[test]
fn the_seat_of_a_dead_thread_is_taken_and_one_that_lives_finds_another() {
    let scales = Scales::detached().unwrap();
    let slow = accepting(scales, 1);
    let old = place(&slow);
    old.heartbeat.store(1, Relaxed);
    let new = scales.seat();
    assert!(std::ptr::eq(place(&new), old));
    slow.beat();
    assert!(!std::ptr::eq(place(&slow), old));
    assert_eq!(place(&slow).connections.load(Relaxed), 1);
}

#[test]
fn the_seats_of_a_process_that_has_ended_are_free_at_once() {
    let scales = Scales::detached().unwrap();
    let (heavy, light) = (accepting(scales, 5), accepting(scales, 0));
    let dead = u64::from(u32::MAX);
    place(&light).owner.store(dead << 32 | 1, Relaxed);
    assert!(waits(&heavy));
    scales.clear(u32::MAX);
    assert!(!waits(&heavy));
    let new = scales.seat();
    assert!(std::ptr::eq(place(&new), place(&light)));
    assert_eq!(place(&heavy).owner.load(Relaxed), heavy.owner);
}

#[test]
fn nonsense_in_the_memory_is_survived() {
    let descriptor = create().unwrap();
    let memory = std::fs::File::from(descriptor.try_clone().unwrap());
    let scales = Scales::on(descriptor).unwrap();
    let seat = accepting(scales, 3);
    for byte in [0xff, 0x01, 0x00] {
        let bytes = vec![byte; size_of::<Table>()];
        memory.write_all_at(&bytes, 0).unwrap();
        assert!(patience(&seat) <= WOKEN as usize);
        seat.beat();
        seat.sign().waits();
        scales.clear(std::process::id());
        drop(scales.seat());
    }
}

#[test]
fn more_threads_than_seats_take_what_they_get() {
    let scales = Scales::detached().unwrap();
    let seats: Vec<_> = (0..SEATS + 1).map(|_| accepting(scales, 0)).collect();
    let last = seats.last().unwrap();
    last.beat();
    last.sign().waits();
    assert!(!waits(last));
}
