//! Work, handed around between threads.

use std::sync::{Condvar, Mutex, PoisonError};

/// A stack of tasks that is empty for good once nobody has one that could make more.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    tasks: Vec<T>,
    busy: usize,
    /// How many threads wait for a task.
    waiting: usize,
}

impl<T> Queue<T> {
    pub(super) fn new(tasks: Vec<T>) -> Self {
        Self {
            state: Mutex::new(State {
                tasks,
                busy: 0,
                waiting: 0,
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn push(&self, task: T) {
        // A panic elsewhere leaves the stack as it was: pushes and pops are whole.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tasks.push(task);
        let somebody_waits = state.waiting > 0;
        drop(state);
        // Waking nobody is a call of the system, too.
        if somebody_waits {
            self.changed.notify_one();
        }
    }

    /// The last task, once there is one; `None` when there will be no more. Each is to be followed by `when_done`.
    pub(super) fn pop(&self) -> Option<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(task) = state.tasks.pop() {
                state.busy += 1;
                return Some(task);
            }
            if state.busy == 0 {
                self.changed.notify_all();
                return None;
            }
            state.waiting += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
    }

    /// Counts the task as done when it is dropped.
    pub(super) fn when_done(&self) -> Done<'_, T> {
        Done(self)
    }

    fn done(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.busy = state.busy.saturating_sub(1);
        if state.busy == 0 && state.tasks.is_empty() {
            self.changed.notify_all();
        }
    }
}

/// A task that is being done.
pub(super) struct Done<'a, T>(&'a Queue<T>);

impl<T> Drop for Done<'_, T> {
    fn drop(&mut self) {
        self.0.done();
    }
}

/// Bytes in memory, bounded for all threads together.
#[derive(Debug)]
pub(super) struct Memory {
    left: Mutex<u64>,
    changed: Condvar,
    total: u64,
}

impl Memory {
    pub(super) fn new(total: u64) -> Self {
        Self {
            left: Mutex::new(total),
            changed: Condvar::new(),
            total,
        }
    }

    /// Waits until there is room for `bytes`, or for everything if it asks for more than there is.
    pub(super) fn take(&self, bytes: u64) -> Taken<'_> {
        let bytes = bytes.min(self.total);
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        while *left < bytes {
            left = self.changed.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
        *left -= bytes;
        Taken { memory: self, bytes }
    }
}

/// Room that was taken, until it is dropped.
pub(super) struct Taken<'a> {
    memory: &'a Memory,
    bytes: u64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.memory.left.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.memory.changed.notify_all();
    }
}
