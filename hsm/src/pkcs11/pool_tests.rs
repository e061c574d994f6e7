//! Callers leave on time, whatever the calls do.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, ThreadId};

use super::*;

const LIMITS: Limits = Limits { workers: 2, stuck: 3 };

fn pool() -> Pool<()> {
    Pool::new("test", LIMITS, || ())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(20)
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn quick<T: Send + 'static>(
    pool: &Pool<()>,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PoolError> {
    pool.run(later(), 0, move |(), _| job(), |(), _| {})
}

/// Has a worker begin what `job` makes, and its caller leave before it is over.
///
/// On a busy machine the caller's time may be over before a worker has begun, and then it never begins: so again, with
/// more.
fn left_behind<T: Send + 'static, J: FnOnce(&dyn Watch) -> T + Send + 'static>(
    pool: &Pool<()>,
    job: impl Fn() -> J,
    undo: impl FnOnce(T) + Clone + Send + 'static,
) {
    let before = stuck(pool);
    let patience = Cell::new(Duration::from_millis(20));
    until("a call that outlives its caller", || {
        let (job, undo) = (job(), undo.clone());
        let deadline = Instant::now() + patience.replace(patience.get() * 2);
        let result = pool.run(
            deadline,
            0,
            move |(), watch| job(watch),
            move |(), made| undo(made),
        );
        assert!(matches!(result, Err(PoolError::TimedOut)));
        stuck(pool) > before
    });
}

/// Occupies a worker until the sender is dropped or sends; returns once the caller has given up.
fn hang(pool: &Pool<()>) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel();
    let released = Arc::new(Mutex::new(released));
    let job = || {
        let released = Arc::clone(&released);
        move |watch: &dyn Watch| {
            assert!(watch.deadline() <= later());
            lock(&released).recv().ok();
            assert!(watch.is_abandoned());
        }
    };
    left_behind(pool, job, |()| {});
    release
}

fn stuck(pool: &Pool<()>) -> usize {
    lock(&pool.0.state).stuck
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = later();
    while !holds() {
        assert!(Instant::now() < deadline, "{what} does not come about");
        thread::yield_now();
    }
}

#[test]
fn calls_run_on_workers_at_once_and_no_more_than_may() {
    let pool = pool();
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let threads: Vec<Vec<ThreadId>> = thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..50)
                        .map(|_| {
                            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
                            quick(&pool, move || {
                                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                                most.fetch_max(now, Ordering::SeqCst);
                                thread::yield_now();
                                running.fetch_sub(1, Ordering::SeqCst);
                                thread::current().id()
                            })
                            .expect("ran")
                        })
                        .collect()
                })
            })
            .collect();
        callers
            .into_iter()
            .map(|caller| caller.join().expect("join"))
            .collect()
    });
    assert!(most.load(Ordering::SeqCst) <= LIMITS.workers);
    let mut threads = threads.concat();
    assert_eq!(threads.len(), 200);
    threads.sort_by_key(|id| format!("{id:?}"));
    threads.dedup();
    assert!(threads.len() <= LIMITS.workers, "{threads:?}");
    assert!(!threads.contains(&thread::current().id()));
}

#[test]
fn a_caller_leaves_on_time_and_others_take_the_place_of_the_stuck() {
    let pool = pool();
    let first = hang(&pool);
    let second = hang(&pool);
    // Both of the two workers hang, and calls go on.
    assert_eq!(quick(&pool, || 7).expect("ran"), 7);
    let third = hang(&pool);
    // As many as may: nothing waits any more.
    let started = Instant::now();
    assert!(matches!(quick(&pool, || 7), Err(PoolError::Stuck(3))));
    assert!(started.elapsed() < Duration::from_secs(30));
    // Unless they hang in a copy that nobody uses any more.
    assert_eq!(pool.run(later(), 1, |(), _| 7, |(), _| {}).expect("ran"), 7);

    drop((first, second, third));
    until("everybody's return", || stuck(&pool) == 0);
    assert_eq!(quick(&pool, || 7).expect("ran"), 7);
    until("the end of the surplus", || {
        lock(&pool.0.state).workers <= LIMITS.workers
    });
}

#[test]
fn what_is_made_too_late_is_undone_once() {
    let pool = pool();
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let (undone, is_undone) = mpsc::channel();
    let job = || {
        let released = Arc::clone(&released);
        move |_: &dyn Watch| {
            lock(&released).recv().ok();
            "made"
        }
    };
    left_behind(&pool, job, move |made| undone.send(made).expect("send"));
    is_undone.try_recv().expect_err("not made yet");
    drop(release);
    assert_eq!(is_undone.recv(), Ok("made"));
    is_undone.recv().expect_err("once");
}

#[test]
fn a_call_whose_caller_left_before_it_began_never_begins() {
    let pool = Pool::new("test", Limits { workers: 1, stuck: 1 }, || ());
    thread::scope(|scope| {
        let (started, has_started) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let busy = scope.spawn(|| {
            pool.run(
                later(),
                0,
                move |(), _| {
                    started.send(()).expect("send");
                    released.recv().ok();
                },
                |(), ()| {},
            )
        });
        has_started.recv().expect("started");
        let result = pool.run(soon(), 0, |(), _| panic!("began"), |(), ()| panic!("undone"));
        assert!(matches!(result, Err(PoolError::TimedOut)), "{result:?}");
        // Waiting is no reason to take a worker for stuck.
        assert_eq!(stuck(&pool), 0);
        drop(release);
        busy.join().expect("join").expect("ran");
    });
    assert_eq!(quick(&pool, || 7).expect("ran"), 7);
}

#[test]
fn a_panic_is_told_and_costs_no_worker() {
    let pool = pool();
    for _ in 0..5 {
        assert!(matches!(
            quick(&pool, || -> () { panic!("as a test") }),
            Err(PoolError::Broken)
        ));
    }
    assert_eq!(quick(&pool, || 7).expect("ran"), 7);
}

#[test]
fn a_pool_shrinks_and_ends_with_what_its_workers_own() {
    static ALIVE: AtomicUsize = AtomicUsize::new(0);
    struct Own;
    impl Drop for Own {
        fn drop(&mut self) {
            ALIVE.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let make = || {
        ALIVE.fetch_add(1, Ordering::SeqCst);
        Own
    };
    let pool = Arc::new(Pool::new("test", Limits { workers: 3, stuck: 3 }, make));
    let barrier = Arc::new(std::sync::Barrier::new(3));
    thread::scope(|scope| {
        for _ in 0..3 {
            let (pool, barrier) = (Arc::clone(&pool), Arc::clone(&barrier));
            scope.spawn(move || {
                pool.run(later(), 0, move |_, _| barrier.wait(), |_, _| {})
                    .expect("ran")
            });
        }
    });
    assert_eq!(ALIVE.load(Ordering::SeqCst), 3);
    pool.shrink(1);
    until("one worker", || ALIVE.load(Ordering::SeqCst) == 1);
    drop(pool);
    // At once: dropping waits for them.
    assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
}

#[test]
fn a_call_whose_busy_worker_does_not_come_free_has_a_sleeping_one_woken() {
    let mut pool = pool();
    Arc::get_mut(&mut pool.0).expect("no worker yet").processors = 1;
    let both = Arc::new(std::sync::Barrier::new(2));
    thread::scope(|scope| {
        for _ in 0..2 {
            let both = Arc::clone(&both);
            scope.spawn(|| quick(&pool, move || both.wait()).expect("ran"));
        }
    });
    until("rest", || lock(&pool.0.state).idle == 2);
    lock(&pool.0.state).pace = Duration::ZERO;
    let (release, released) = mpsc::channel::<()>();
    let (began, has_begun) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            quick(&pool, move || {
                began.send(()).expect("heard");
                released.recv().ok();
            })
        });
        has_begun.recv().expect("begun");
        // One processor, short calls, one worker busy: nobody is woken for the next call at first.
        assert_eq!(lock(&pool.0.state).idle, 1);
        assert_eq!(quick(&pool, || 7).expect("ran"), 7);
        drop(release);
    });
}
