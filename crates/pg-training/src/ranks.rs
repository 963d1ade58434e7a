//! The processes that train one network together, as the loop sees them.

use std::fmt;

use tch::{TchError, Tensor};
use thiserror::Error;

/// Why ranks cannot go on together.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RanksError {
    /// Nobody answers.
    #[error("the other ranks do not answer: one of them ended, or the network failed")]
    Lost,
    /// Another rank failed, and says why itself.
    #[error("rank {rank} failed")]
    OtherRank {
        /// The first one that did.
        rank: usize,
    },
    /// libtorch's.
    #[error(transparent)]
    Tensor(#[from] TchError),
}

/// The processes of a data-parallel run: each computes a part of every minibatch.
///
/// All ranks start the same sums and gatherings in the same order.
pub trait Ranks: fmt::Debug + Send {
    /// This process, from 0; rank 0 alone writes.
    fn rank(&self) -> usize;

    /// Number of processes.
    fn count(&self) -> usize;

    /// Starts to sum `numbers` over all ranks, element by element, and returns at once: f32 `[N]`, contiguous, on any
    /// device, in memory that nothing else uses from now on.
    ///
    /// # Errors
    /// [`RanksError::Lost`]; libtorch's.
    fn start_sum(&mut self, numbers: Tensor) -> Result<(), RanksError>;

    /// The oldest sum that was started and not taken yet, on whatever device it was made: the same bits on all ranks.
    ///
    /// # Errors
    /// [`RanksError::Lost`].
    fn finish_sum(&mut self) -> Result<Tensor, RanksError>;

    /// What every rank gives, of any length, in the order of the ranks.
    ///
    /// # Errors
    /// [`RanksError::Lost`].
    fn gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, RanksError>;
}

/// One process that trains alone.
#[derive(Debug, Default)]
pub struct SingleRank {
    sums: std::collections::VecDeque<Tensor>,
}

impl Ranks for SingleRank {
    fn rank(&self) -> usize {
        0
    }

    fn count(&self) -> usize {
        1
    }

    fn start_sum(&mut self, numbers: Tensor) -> Result<(), RanksError> {
        self.sums.push_back(numbers);
        Ok(())
    }

    fn finish_sum(&mut self) -> Result<Tensor, RanksError> {
        self.sums.pop_front().ok_or(RanksError::Lost)
    }

    fn gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, RanksError> {
        Ok(vec![bytes.to_vec()])
    }
}

/// True on all ranks when `flag` is on any.
pub(crate) fn any(ranks: &mut dyn Ranks, flag: bool) -> Result<bool, RanksError> {
    if ranks.count() == 1 {
        return Ok(flag);
    }
    Ok(ranks.gather(&[u8::from(flag)])?.iter().any(|given| given == &[1]))
}

/// Does `work` on rank 0 while the others wait, and gives its answer, as bytes, to all.
///
/// # Errors
/// Those of `work` on rank 0, and [`RanksError::OtherRank`] on the others then.
pub(crate) fn by_first<E: From<RanksError>>(
    ranks: &mut dyn Ranks,
    work: impl FnOnce() -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    if ranks.rank() > 0 {
        let mut given = ranks.gather(&[])?.into_iter().next().unwrap_or_default();
        return match given.pop() {
            Some(DONE) => Ok(given),
            _ => Err(RanksError::OtherRank { rank: 0 }.into()),
        };
    }
    match work() {
        Ok(answer) if ranks.count() == 1 => Ok(answer),
        Ok(mut answer) => {
            answer.push(DONE);
            ranks.gather(&answer)?;
            answer.pop();
            Ok(answer)
        }
        Err(error) => {
            if ranks.count() > 1 {
                ranks.gather(&[FAILED])?;
            }
            Err(error)
        }
    }
}

const DONE: u8 = 1;
const FAILED: u8 = 0;

/// The ranks whose `bytes` are not those of rank 0.
pub(crate) fn different_ranks(ranks: &mut dyn Ranks, bytes: &[u8]) -> Result<Vec<usize>, RanksError> {
    if ranks.count() == 1 {
        return Ok(Vec::new());
    }
    let all = ranks.gather(bytes)?;
    Ok((1..all.len()).filter(|&rank| all[rank] != all[0]).collect())
}

/// Ranks in one process, for tests.
#[cfg(test)]
pub(crate) mod in_process {
    use std::collections::VecDeque;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use tch::Tensor;

    use super::{Ranks, RanksError};

    /// Threads that send each other what they have.
    #[derive(Debug)]
    pub(crate) struct ThreadRank {
        rank: usize,
        to: Vec<Sender<Vec<u8>>>,
        from: Vec<Receiver<Vec<u8>>>,
        sums: VecDeque<Tensor>,
    }

    /// `count` of them.
    pub(crate) fn thread_ranks(count: usize) -> Vec<ThreadRank> {
        let mut ranks: Vec<ThreadRank> = (0..count)
            .map(|rank| ThreadRank { rank, to: Vec::new(), from: Vec::new(), sums: VecDeque::new() })
            .collect();
        for sender in 0..count {
            for receiver in 0..count {
                let (to, from) = channel();
                ranks[sender].to.push(to);
                ranks[receiver].from.push(from);
            }
        }
        ranks
    }

    impl Ranks for ThreadRank {
        fn rank(&self) -> usize {
            self.rank
        }

        fn count(&self) -> usize {
            self.to.len()
        }

        fn start_sum(&mut self, numbers: Tensor) -> Result<(), RanksError> {
            assert!(numbers.is_contiguous() && numbers.dim() == 1);
            let numbers = Vec::<f32>::try_from(numbers)?;
            let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
            let mut sum = vec![0.0; numbers.len()];
            for part in self.gather(&bytes)? {
                assert_eq!(part.len(), bytes.len(), "ranks sum other lengths");
                for (sum, x) in sum.iter_mut().zip(part.chunks_exact(4)) {
                    *sum += f32::from_le_bytes(x.try_into().unwrap());
                }
            }
            self.sums.push_back(Tensor::from_slice(&sum));
            Ok(())
        }

        fn finish_sum(&mut self) -> Result<Tensor, RanksError> {
            self.sums.pop_front().ok_or(RanksError::Lost)
        }

        fn gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, RanksError> {
            for to in &self.to {
                to.send(bytes.to_vec()).map_err(|_| RanksError::Lost)?;
            }
            self.from.iter().map(|from| from.recv().map_err(|_| RanksError::Lost)).collect()
        }
    }

    /// What each of `count` ranks answers, each on a thread of its own.
    pub(crate) fn on_ranks<T: Send>(count: usize, work: impl Fn(ThreadRank) -> T + Sync) -> Vec<T> {
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                thread_ranks(count).into_iter().map(|rank| scope.spawn(|| work(rank))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::in_process::on_ranks;
    use super::*;

    #[test]
    fn a_flag_on_one_rank_is_seen_by_all() {
        assert_eq!(on_ranks(3, |mut rank| any(&mut rank, false).unwrap()), [false; 3]);
        let seen = on_ranks(3, |mut rank| {
            let flag = rank.rank() == 2;
            any(&mut rank, flag).unwrap()
        });
        assert_eq!(seen, [true; 3]);
    }

    #[test]
    fn what_rank_0_does_all_get_and_its_failure_too() {
        let answers = on_ranks(2, |mut rank| {
            let is_first = rank.rank() == 0;
            by_first(&mut rank, || {
                assert!(is_first);
                Ok::<_, RanksError>(b"name".to_vec())
            })
        });
        assert!(answers.iter().all(|answer| answer.as_ref().unwrap() == b"name"));
        let answers = on_ranks(2, |mut rank| by_first(&mut rank, || Err(RanksError::Lost)));
        assert!(matches!(answers[0], Err(RanksError::Lost)));
        assert!(matches!(answers[1], Err(RanksError::OtherRank { rank: 0 })));
    }

    #[test]
    fn ranks_that_differ_from_the_first_are_named() {
        let found = on_ranks(4, |mut rank| {
            let own = if rank.rank() % 2 == 1 { [7] } else { [1] };
            different_ranks(&mut rank, &own).unwrap()
        });
        assert_eq!(found, vec![vec![1, 3]; 4]);
    }
}
