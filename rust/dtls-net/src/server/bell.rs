//! A bell that rings once until someone looks.

use std::sync::atomic::{AtomicBool, Ordering};

/// What a bell needs. The model checker has one of its own.
pub(super) trait Flag {
    /// Sets it, and returns what it was. What was written before a value was set is seen by who finds that value.
    fn swap(&self, value: bool) -> bool;
}

impl Flag for AtomicBool {
    fn swap(&self, value: bool) -> bool {
        self.swap(value, Ordering::AcqRel)
    }
}

/// Whether a thread was woken and has not looked yet, at something that is under a lock.
#[derive(Default)]
pub(super) struct Bell<F = AtomicBool>(F);

impl<F: Flag> Bell<F> {
    /// Something was left. Whether the thread has to be woken for it: not, if it was woken already and will look.
    #[must_use]
    pub(super) fn ring(&self) -> bool {
        !self.0.swap(true)
    }

    /// The thread is about to look: whatever is left from now on rings again. It sees all that was left before a bell
    /// that did not ring, since it swaps: a mere store would not see that.
    pub(super) fn silence(&self) {
        self.0.swap(false);
    }
}

#[cfg(test)]
mod tests {
    use loom::sync::atomic::{AtomicBool, Ordering};
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    use super::{Bell, Flag};

    impl Flag for AtomicBool {
        fn swap(&self, value: bool) -> bool {
            self.swap(value, Ordering::AcqRel)
        }
    }

    /// What a game and its I/O thread share.
    struct Shared {
        left: Mutex<Vec<u32>>,
        bell: Bell<AtomicBool>,
        /// Stands for what the system's poller remembers.
        woken: Mutex<bool>,
        wakes: Condvar,
    }

    impl Shared {
        fn leave(&self, what: u32) {
            self.left.lock().expect("no panic").push(what);
            if self.bell.ring() {
                *self.woken.lock().expect("no panic") = true;
                self.wakes.notify_one();
            }
        }

        fn wait(&self) {
            let mut woken = self.woken.lock().expect("no panic");
            while !*woken {
                woken = self.wakes.wait(woken).expect("no panic");
            }
            *woken = false;
        }
    }

    #[test]
    fn whatever_is_left_is_looked_at() {
        // In every order in which the threads can run that interrupts them three times at most: more would take hours. If
        // something is left and nobody is woken, this waits for ever, which the model reports.
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let shared = Arc::new(Shared {
                left: Mutex::new(Vec::new()),
                bell: Bell(AtomicBool::new(false)),
                woken: Mutex::new(false),
                wakes: Condvar::new(),
            });
            let games: Vec<_> = [&[1, 2][..], &[3]]
                .into_iter()
                .map(|leaves| {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || leaves.iter().for_each(|what| shared.leave(*what)))
                })
                .collect();
            let mut taken = Vec::new();
            while taken.len() < 3 {
                shared.wait();
                shared.bell.silence();
                taken.append(&mut shared.left.lock().expect("no panic"));
            }
            taken.sort_unstable();
            assert_eq!(taken, [1, 2, 3]);
            for game in games {
                game.join().expect("it does not panic");
            }
        });
    }
}
