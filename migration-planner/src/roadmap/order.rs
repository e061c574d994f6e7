//! Putting things in order: what is needed comes first, and what needs each other comes together.

/// An order of things by their number, where each knows which others it needs.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// Every thing, those that are needed before those that need them.
    pub(super) sequence: Vec<usize>,
    /// What each needs, without what is in a circle with it.
    pub(super) needs: Vec<Vec<usize>>,
    circles: Vec<Vec<usize>>,
    circle_of: Vec<usize>,
}

impl Order {
    /// Orders things, `needs[i]` being what thing `i` needs. Numbers that are no thing are left out.
    pub(super) fn of(needs: &[Vec<usize>]) -> Self {
        let (circles, circle_of) = circles(needs);
        let needs = needs
            .iter()
            .enumerate()
            .map(|(thing, list)| {
                let within = |need: &usize| {
                    circle_of
                        .get(*need)
                        .is_some_and(|of| circle_of.get(thing) != Some(of))
                };
                let mut list: Vec<usize> = list.iter().copied().filter(within).collect();
                list.sort_unstable();
                list.dedup();
                list
            })
            .collect();
        Self {
            // Circles come out with what they need before them.
            sequence: circles.iter().flatten().copied().collect(),
            needs,
            circles,
            circle_of,
        }
    }

    /// The others in a circle with this one.
    pub(super) fn together_with(&self, thing: usize) -> impl Iterator<Item = usize> + '_ {
        let circle = self
            .circle_of
            .get(thing)
            .and_then(|circle| self.circles.get(*circle));
        circle
            .into_iter()
            .flatten()
            .copied()
            .filter(move |other| *other != thing)
    }

    /// The groups that are done together, what is needed before what needs it. Most are of one.
    pub(super) fn groups(&self) -> impl DoubleEndedIterator<Item = &[usize]> {
        self.circles.iter().map(Vec::as_slice)
    }
}

/// The strongly connected components (Tarjan), without recursion, so that no estate is too deep; each with its
/// members in order, and for every thing the number of its own.
fn circles(needs: &[Vec<usize>]) -> (Vec<Vec<usize>>, Vec<usize>) {
    const UNSEEN: usize = usize::MAX;
    let count = needs.len();
    let mut index = vec![UNSEEN; count];
    let mut low = vec![0; count];
    let mut circle_of = vec![UNSEEN; count];
    let mut circles: Vec<Vec<usize>> = Vec::new();
    let mut stack: Vec<usize> = Vec::new();
    let mut next = 0;
    for root in 0..count {
        if index[root] != UNSEEN {
            continue;
        }
        let mut path: Vec<(usize, usize)> = vec![(root, 0)];
        while let Some((thing, edge)) = path.pop() {
            if edge == 0 {
                index[thing] = next;
                low[thing] = next;
                next += 1;
                stack.push(thing);
            }
            let mut descended = false;
            for (position, need) in needs[thing].iter().copied().enumerate().skip(edge) {
                if need >= count {
                    continue;
                }
                if index[need] == UNSEEN {
                    path.push((thing, position + 1));
                    path.push((need, 0));
                    descended = true;
                    break;
                }
                if circle_of[need] == UNSEEN {
                    low[thing] = low[thing].min(index[need]);
                }
            }
            if descended {
                continue;
            }
            if low[thing] == index[thing] {
                let mut circle = Vec::new();
                while let Some(member) = stack.pop() {
                    circle_of[member] = circles.len();
                    circle.push(member);
                    if member == thing {
                        break;
                    }
                }
                circle.sort_unstable();
                circles.push(circle);
            }
            if let Some((above, _)) = path.last() {
                low[*above] = low[*above].min(low[thing]);
            }
        }
    }
    (circles, circle_of)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_circle_is_done_together() {
        // 0 needs 1, 1 and 2 need each other, 2 needs 3.
        let order = Order::of(&[vec![1], vec![2], vec![1, 3], vec![]]);
        assert_eq!(order.sequence, [3, 1, 2, 0]);
        assert_eq!(order.together_with(1).collect::<Vec<_>>(), [2]);
        assert_eq!(order.together_with(0).count(), 0);
        assert_eq!(order.needs, [vec![1], vec![], vec![3], vec![]]);
    }

    #[test]
    fn what_needs_itself_and_what_is_not_there_is_left_out() {
        let order = Order::of(&[vec![0, 7], vec![]]);
        assert_eq!(order.needs, [vec![], vec![]] as [Vec<usize>; 2]);
        assert_eq!(order.sequence.len(), 2);
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let needs: Vec<Vec<usize>> = (0..200_000).map(|thing| vec![thing + 1]).collect();
        let order = Order::of(&needs);
        assert_eq!(order.sequence.first(), Some(&199_999));
    }

    proptest! {
        #[test]
        fn the_order_respects_every_edge(
            edges in prop::collection::vec((0_usize..30, 0_usize..30), 0..120),
        ) {
            let mut needs = vec![Vec::new(); 30];
            for (from, to) in &edges {
                needs[*from].push(*to);
            }
            let order = Order::of(&needs);
            let mut sorted = order.sequence.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..30).collect::<Vec<_>>());
            let place = |thing: usize| order.sequence.iter().position(|other| *other == thing).unwrap();
            for (from, to) in edges {
                let together = from == to || order.together_with(from).any(|other| other == to);
                prop_assert!(together || place(to) < place(from), "{} needs {}", from, to);
                prop_assert_eq!(!together, order.needs[from].contains(&to));
            }
        }
    }
}
