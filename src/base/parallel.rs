//! Work spread over threads and gathered again in order: one producer, several workers, one consumer.
//!
//! Bounded: no item waits for a worker but the one being handed in, and at most `jobs + 1` are on their way, so memory is a function of
//! `jobs` and the size of an item. Either end stopping stops all.

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;
use std::thread;

/// The consumer has ended: nothing more is wanted. Its own error says why.
#[derive(Debug, thiserror::Error)]
#[error("the consumer has stopped")]
pub struct Stopped;

/// Where the producer hands in its items.
pub struct Feed<In, Out> {
    work: Sender<(In, Sender<Out>)>,
    order: Sender<Receiver<Out>>,
}

impl<In, Out> Feed<In, Out> {
    /// Hands in the next item; waits while too many are on their way.
    ///
    /// # Errors
    /// [`Stopped`] when the consumer has ended.
    pub fn send(&self, item: In) -> Result<(), Stopped> {
        let (answer, wait) = bounded(1);
        self.order.send(wait).map_err(|_| Stopped)?;
        self.work.send((item, answer)).map_err(|_| Stopped)
    }
}

/// Runs `produce` on a thread of its own, a worker from `new_worker` on each of `jobs` threads, and `consume` here,
/// which sees the results in the order in which the items were handed in.
///
/// Gives what the producer gave, or the first error of the consumer. When the consumer ends in an error, the producer's
/// `send` fails and its own result is dropped.
///
/// # Errors
/// The consumer's error.
///
/// # Panics
/// When a worker or the producer panics.
pub fn ordered<In, Out, Made, Worker, E>(
    jobs: usize,
    produce: impl FnOnce(Feed<In, Out>) -> Made + Send,
    new_worker: impl Fn() -> Worker,
    mut consume: impl FnMut(Out) -> Result<(), E>,
) -> Result<Made, E>
where
    In: Send,
    Out: Send,
    Made: Send,
    Worker: FnMut(In) -> Out + Send,
{
    let jobs = jobs.max(1);
    let (work, take) = bounded::<(In, Sender<Out>)>(0);
    let (order, next) = bounded::<Receiver<Out>>(jobs);
    thread::scope(|scope| {
        let producer = scope.spawn(move || produce(Feed { work, order }));
        for _ in 0..jobs {
            let take = take.clone();
            let mut worker = new_worker();
            scope.spawn(move || {
                while let Ok((item, answer)) = take.recv() {
                    // The consumer may have ended meanwhile: then nobody wants the result.
                    let _unwanted = answer.send(worker(item));
                }
            });
        }
        drop(take);
        let consumed = gather(&next, &mut consume);
        // Ends the producer's next `send` when the consumer stopped early.
        drop(next);
        let made = producer.join();
        consumed?;
        match made {
            Ok(made) => Ok(made),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn gather<Out, E>(next: &Receiver<Receiver<Out>>, consume: &mut impl FnMut(Out) -> Result<(), E>) -> Result<(), E> {
    for wait in next {
        // No answer: the item was never handed to a worker because the producer ended, or the worker panicked, which the
        // scope reports.
        let Ok(result) = wait.recv() else { break };
        consume(result)?;
    }
    Ok(())
}

/// Buffers that go round: taken by the producer, given back by the consumer.
#[derive(Clone, Debug)]
pub struct Pool {
    give: Sender<Vec<u8>>,
    take: Receiver<Vec<u8>>,
}

impl Pool {
    /// Keeps at most `most` unused buffers.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let (give, take) = bounded(most);
        Self { give, take }
    }

    /// A used buffer with whatever it holds, or a new empty one.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        self.take.try_recv().unwrap_or_default()
    }

    /// Gives a buffer back; one too many is freed.
    pub fn give(&self, buffer: Vec<u8>) {
        let _freed_when_full = self.give.try_send(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order() {
        let mut seen = Vec::new();
        let made = ordered(
            3,
            |feed| (0..1000_u64).map_while(|n| feed.send(n).ok()).count(),
            || |n: u64| n * 2,
            |n| {
                seen.push(n);
                Ok::<(), ()>(())
            },
        );
        assert_eq!(made, Ok(1000));
        assert_eq!(seen, (0..1000).map(|n| n * 2).collect::<Vec<_>>());
    }

    #[test]
    fn a_failing_consumer_stops_the_producer() {
        let result = ordered(
            2,
            |feed| (0_u64..1_000_000).find(|n| feed.send(*n).is_err()),
            || |n: u64| n,
            |n| if n == 10 { Err("enough") } else { Ok(()) },
        );
        assert_eq!(result, Err("enough"));
    }
}
