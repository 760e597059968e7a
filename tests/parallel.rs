//! Many at once: nothing may be lost, doubled or left behind. `CORACLE_TEST_LOOP` seconds of looping (default 10).

mod common;

use common::leaks::listeners;
use common::{Ran, TestEnv, eventually};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

#[test]
fn fifty_detached_at_once() {
    let env = TestEnv::new();
    env.sh("run --rm hello").success();
    let before = listeners();
    let ids = Mutex::new(BTreeSet::new());
    std::thread::scope(|s| {
        for i in 0..50 {
            let (env, ids) = (&env, &ids);
            s.spawn(move || {
                let id = env.start(&format!("--name c{i} -p 127.0.0.1::80 hello sleep forever"));
                ids.lock().unwrap().insert(id);
            });
        }
    });
    assert_eq!(ids.lock().unwrap().len(), 50);
    let running = env.sh("ps -q --no-trunc").success().stdout;
    assert_eq!(running.lines().map(String::from).collect::<BTreeSet<_>>(), *ids.lock().unwrap());
    assert!(listeners().difference(&before).count() >= 50);
    env.assert_no_leaks();
    eventually("the ports to be free", 10, || listeners().difference(&before).count() == 0);
}

#[test]
fn one_name_is_given_once() {
    let env = TestEnv::new();
    env.sh("run --rm hello").success();
    let outs: Vec<Ran> = std::thread::scope(|s| {
        let all: Vec<_> = (0..12).map(|_| s.spawn(|| env.sh("create --name same hello"))).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(outs.iter().filter(|o| o.code == 0).count(), 1, "{outs:?}");
    assert!(outs.iter().filter(|o| o.code != 0).all(|o| o.code == 125 && o.stderr.contains("same")), "{outs:?}");
    assert_eq!(env.containers().len(), 1);
}

#[test]
fn two_hundred_are_listed() {
    let env = TestEnv::new();
    env.sh("run --rm hello").success();
    std::thread::scope(|s| {
        for part in 0..4 {
            let env = &env;
            s.spawn(move || {
                for i in 0..50 {
                    env.sh(&format!("create --name n{part}-{i} hello")).success();
                }
            });
        }
    });
    let out = env.sh("ps -a --format {{.Names}}").success();
    assert_eq!(out.stdout.lines().collect::<BTreeSet<_>>().len(), 200);
    assert!(out.time < Duration::from_secs(3), "{:?}", out.time);
}

#[test]
fn twenty_short_ones_in_a_loop() {
    let env = TestEnv::new();
    env.sh("run --rm hello").success();
    let seconds = std::env::var("CORACLE_TEST_LOOP").ok().and_then(|s| s.parse().ok()).unwrap_or(10);
    let end = Instant::now() + Duration::from_secs(seconds);
    let count = Mutex::new(0u32);
    std::thread::scope(|s| {
        for i in 0..20 {
            let (env, count) = (&env, &count);
            s.spawn(move || {
                while Instant::now() < end {
                    env.sh(&format!("run --rm hello exit {i}")).code(i);
                    *count.lock().unwrap() += 1;
                }
            });
        }
    });
    println!("{} containers in {seconds} s", count.lock().unwrap());
    assert_eq!(env.containers(), [""; 0]);
    env.assert_no_leaks();
}

#[test]
fn removed_while_starting_and_stopping() {
    let env = TestEnv::new();
    env.sh("run --rm hello").success();
    for _ in 0..5 {
        env.sh("create --name c hello sleep 0.1").success();
        std::thread::scope(|s| {
            for verb in ["start c", "stop -t 0 c", "rm -f -t 0 c", "ps -a", "inspect c"] {
                let env = &env;
                s.spawn(move || {
                    let out = env.sh(verb);
                    assert!([0, 1, 2, 125].contains(&out.code), "{out}");
                });
            }
        });
        let _ = env.sh("rm -f -t 0 c");
        assert_eq!(env.containers(), [""; 0]);
    }
}
