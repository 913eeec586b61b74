//! Items grouped by the members that they may go to.

use std::collections::HashMap;

use super::problem::NONE;

/// The different choices of members, each sorted, in the order in which they first come; and the class of each item.
///
/// That is what [`super::Eligible`] wants. An item without a choice may go to every member; [`NONE`] among the members
/// of a choice is nobody.
pub fn classes<'a>(choices: impl Iterator<Item = Option<&'a [u32]>>) -> (Vec<Vec<u32>>, Vec<u32>) {
    let mut numbers: HashMap<Vec<u32>, u32> = HashMap::new();
    let mut sorted = Vec::new();
    let of = choices
        .map(|choice| {
            let Some(choice) = choice else { return NONE };
            sorted.clear();
            sorted.extend(choice.iter().filter(|member| **member != NONE));
            sorted.sort_unstable();
            sorted.dedup();
            if let Some(&number) = numbers.get(&sorted) {
                return number;
            }
            let next = u32::try_from(numbers.len()).unwrap_or(NONE);
            numbers.insert(sorted.clone(), next);
            next
        })
        .collect();
    let mut classes = vec![Vec::new(); numbers.len()];
    for (members, number) in numbers {
        classes[number as usize] = members;
    }
    (classes, of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_choices_share_a_class_whatever_their_order() {
        let choices = [Some(&[7, 3][..]), None, Some(&[1, NONE]), Some(&[3, 7, 3]), Some(&[])];
        let (classes, of) = classes(choices.into_iter());
        assert_eq!(classes, [vec![3, 7], vec![1], vec![]]);
        assert_eq!(of, [0, NONE, 1, 0, 2]);
    }
}
