//! The queue's pure decisions: dedupe windows, back-off, order, pages for delays.

use std::time::Duration;

use proptest::prelude::*;
use sparkeeper::recipes::queue::Order;
use sparkeeper::recipes::queue::name::{Page, Spot, Stream, stem};
use sparkeeper::recipes::queue::record::Ticket;
use sparkeeper::recipes::queue::rules::{Repeat, back_off, repeat};

proptest! {
    #[test]
    fn an_id_is_a_repeat_until_its_window_is_over_and_new_from_then_on(
        done: bool, written in 0_i64..1 << 42, passed in -1_000_000_i64..1_000_000, window in 0_u64..1_000_000,
    ) {
        let ticket = Ticket { item: "x".into(), done };
        let found = repeat(&ticket, written, written + passed, Duration::from_millis(window));
        let over = done && passed >= i64::try_from(window).expect("small");
        prop_assert_eq!(found, if over { Repeat::New } else { Repeat::Of("x".into()) });
    }

    #[test]
    fn once_new_it_stays_new(written in 0_i64..1 << 42, at in 0_i64..1 << 42, later in 0_i64..1 << 42, window in 0_u64..1 << 40) {
        let (ticket, window) = (Ticket { item: "x".into(), done: true }, Duration::from_millis(window));
        if repeat(&ticket, written, at, window) == Repeat::New {
            prop_assert_eq!(repeat(&ticket, written, at + later, window), Repeat::New);
        }
    }

    #[test]
    fn back_off_grows_within_its_bounds(attempt in 1_u32..100, first in 0_u64..10_000, luck in 0.0..1.0_f64) {
        let (first, longest) = (Duration::from_millis(first), Duration::from_secs(300));
        let waits = back_off(attempt, first, longest, luck);
        let whole = back_off(attempt, first, longest, 0.0);
        prop_assert!(waits <= whole && waits + Duration::from_nanos(1) >= whole / 2);
        prop_assert!(whole <= longest);
        prop_assert!(back_off(attempt + 1, first, longest, 0.0) >= whole);
    }

    #[test]
    fn a_page_s_name_tells_everything(priority in -999..=999, start in 0_i64..1 << 45, number: u64) {
        let page = Stream { priority, start }.page(number);
        prop_assert_eq!(Page::parse(&page.name()), Some(page));
    }

    #[test]
    fn order_is_priority_then_what_waited_then_arrival(
        items in prop::collection::vec((-3_i32..3, prop::option::of(1_i64..50), 0_u64..3, 0_i64..20), 0..40),
    ) {
        let mut spots: Vec<Spot> = items.iter().enumerate().map(|(at, (priority, due, number, sequence))| {
            let page = Stream { priority: *priority, start: i64::from(due.is_some()) }.page(*number);
            Spot::parse(page, &format!("{}{sequence:010}", stem(&format!("{at:032}"), due.unwrap_or(0)))).expect("an item")
        }).collect();
        Order::Strict.spots(&mut spots);
        for pair in spots.windows(2) {
            let key = |spot: &Spot| (spot.page.stream.priority, spot.due == 0, spot.due);
            prop_assert!(key(&pair[0]) <= key(&pair[1]));
            if key(&pair[0]) == key(&pair[1]) {
                prop_assert!(pair[0].page.number <= pair[1].page.number);
            }
        }
    }

    #[test]
    fn items_that_came_together_go_by_priority(
        now in 1_i64 << 40..1 << 41, every in 1_u64..100_000, priorities in prop::collection::vec(-999..=999, 2..20),
    ) {
        let order = Order::Ageing(Duration::from_secs(every));
        let mut pages: Vec<Page> = priorities.iter().map(|priority| order.stream(*priority, now).page(0)).collect();
        order.pages(&mut pages);
        prop_assert!(pages.is_sorted_by_key(|page| page.stream.priority));
    }

    #[test]
    fn so_many_levels_of_waiting_are_worth_as_many_of_priority(
        now in 1_i64 << 40..1 << 41, every in 1_u64..100_000, low in -999..=999, levels in 0_i32..500, more in 1_i64..10,
    ) {
        let order = Order::Ageing(Duration::from_secs(every));
        let period = i64::try_from(every).expect("small") * 1000;
        let first = order.stream(low, now);
        let at = |later: i64| order.rank(order.stream(low - levels, now + later));
        // Less than so many periods later it goes first, and more than that later, second: a period is cut in two once.
        prop_assert!(levels == 0 || at((i64::from(levels) - 1) * period) < order.rank(first));
        prop_assert!(at((i64::from(levels) + more) * period) > order.rank(first));
    }

    #[test]
    fn a_stream_s_start_is_no_time_to_come(now in 1_i64 << 40..1 << 41, every in 1_u64..100_000) {
        let Stream { start, .. } = Order::Ageing(Duration::from_secs(every)).stream(0, now);
        let period = i64::try_from(every).expect("small") * 1000;
        prop_assert!(start < now && now - start <= period + 1000);
    }

    #[test]
    fn tasks_of_hours_share_few_pages(now in 1_i64 << 40..1 << 41, each in prop::collection::vec(0_i64..36_000_000, 1000)) {
        let order = Order::Ageing(Duration::from_secs(60));
        let streams: std::collections::HashSet<Stream> = each.iter().map(|later| order.stream(0, now + later)).collect();
        prop_assert!(streams.len() <= 601, "{} streams", streams.len());
    }

    #[test]
    fn a_delayed_item_s_page_opens_before_it_is_due_and_not_long_before(
        now in 1_i64 << 40..1 << 41, delay in 1_i64..1 << 36,
    ) {
        let due = now + delay;
        let Stream { start, .. } = Stream::delayed(0, due, delay);
        prop_assert!(start <= due);
        prop_assert!(due - start <= (delay / 4).max(1024));
    }

    #[test]
    fn delays_however_spread_share_few_pages(now in 1_i64 << 40..1 << 41, delays in prop::collection::vec(1_i64..1 << 36, 1000)) {
        let streams: std::collections::HashSet<Stream> =
            delays.iter().map(|delay| Stream::delayed(0, now + delay, *delay)).collect();
        prop_assert!(streams.len() <= 500, "{} streams", streams.len());
    }
}
