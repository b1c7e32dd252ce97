//! Scripts: what happens on the wire between a client and a server. Each step takes a byte that says
//! what and in which direction, and the operands behind it.

use std::time::Duration;

use crate::input::Input;
use crate::records;
use crate::world::{Direction, ToClient, ToServer, World};

/// Steps of a script that are taken. The rest of a longer one would only take time.
const MOST_STEPS: usize = 200;

/// What a script did beside losing, repeating, delaying and reordering.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Interference {
    /// Something arrived that neither side had sent.
    pub(crate) forged: bool,
    /// The client or the server was told to close.
    pub(crate) closed: bool,
}

/// Plays a script. `deliver` lets one datagram arrive.
pub(crate) fn play(
    world: &mut World,
    input: &mut Input<'_>,
    mut deliver: impl FnMut(&mut World, Direction, &[u8]),
) -> Interference {
    let mut interference = Interference::default();
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        let step = input.byte();
        let direction = if step & 0x10 == 0 { ToServer } else { ToClient };
        let count = step >> 5;
        let change = |world: &mut World, change: &dyn Fn(&mut Vec<u8>)| {
            world.way(direction).queue.front_mut().is_some_and(|datagram| {
                let before = datagram.clone();
                change(datagram);
                *datagram != before
            })
        };
        match step & 0x0f {
            // The oldest datagrams arrive.
            0 => {
                for _ in 0..=count {
                    if let Some(datagram) = world.way(direction).queue.pop_front() {
                        deliver(world, direction, &datagram);
                    }
                }
            }
            // The oldest datagram is lost.
            1 => drop(world.way(direction).queue.pop_front()),
            // One of its bytes changes.
            2 => {
                let (at, with) = (input.number(), input.byte());
                interference.forged |= change(world, &|datagram| {
                    let length = datagram.len().max(1);
                    datagram.get_mut(at % length).into_iter().for_each(|byte| *byte ^= with);
                });
            }
            // It loses its end.
            3 => {
                let length = input.number();
                interference.forged |= change(world, &|datagram| datagram.truncate(length));
            }
            // Part of one of its handshake messages is replaced.
            4 => {
                let (at, removed) = (input.number(), usize::from(input.byte()));
                let added = input.block();
                let record = usize::from(count);
                interference.forged |= change(world, &|datagram| {
                    if let Some(spliced) = records::splice(datagram, record, at, removed, added) {
                        *datagram = spliced;
                    }
                });
            }
            // It goes behind the others.
            5 => {
                let queue = &mut world.way(direction).queue;
                queue.rotate_left(1.min(queue.len()));
            }
            // It becomes one with the next.
            6 => {
                let queue = &mut world.way(direction).queue;
                if let (Some(first), Some(second)) = (queue.pop_front(), queue.pop_front()) {
                    queue.push_front([first, second].concat());
                }
            }
            // One that was sent before comes once more.
            7 => {
                let index = usize::from(input.byte());
                let way = world.way(direction);
                if let Some(again) = way.sent.get(index % way.sent.len().max(1)).cloned() {
                    way.queue.push_front(again);
                }
            }
            // Any bytes, a record, a handshake message: from a stranger.
            8 => {
                let datagram = input.block();
                interference.forged = true;
                deliver(world, direction, datagram);
            }
            9 => {
                let (content, sequence) = (input.byte(), input.number());
                let datagram = records::record(content, count, sequence, input.block());
                interference.forged = true;
                deliver(world, direction, &datagram);
            }
            10 => {
                let (kind, sequence) = (input.byte(), input.number());
                let datagram = records::message(kind, count, sequence, input.block());
                interference.forged = true;
                deliver(world, direction, &datagram);
            }
            // Time goes by, up to 12.8 s.
            11 => world.wait(Duration::from_millis(50) * (u32::from(input.byte()) + 1)),
            // The application says something, or has nothing more to say.
            12 => world.say(direction, input.number()),
            13 => {
                interference.closed |= world.sender(direction).is_some();
                world.sender(direction).into_iter().for_each(dtls_core::Session::close);
                world.collect();
            }
            // Everything arrives as it should.
            14 => {
                for _ in 0..1_000 {
                    let Some((direction, datagram)) = oldest(world) else { break };
                    deliver(world, direction, &datagram);
                }
            }
            // The session is given its timers.
            _ => world.wait(Duration::ZERO),
        }
    }
    interference
}

fn oldest(world: &mut World) -> Option<(Direction, Vec<u8>)> {
    [ToServer, ToClient].into_iter().find_map(|direction| {
        let datagram = world.way(direction).queue.pop_front()?;
        Some((direction, datagram))
    })
}
