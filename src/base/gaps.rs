//! What is missing from a row of numbers that begins with 1, as chains and logs count.

/// The numbers before the last of `rising` that are not among them: the first and the last of each row.
pub fn gaps(rising: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
    let (mut found, mut next) = (Vec::new(), 1);
    for number in rising {
        if next < number {
            found.push((next, number - 1));
        }
        next = number.saturating_add(1);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::gaps;

    #[test]
    fn each_row_is_named_by_its_ends() {
        assert_eq!(gaps([]), []);
        assert_eq!(gaps([1, 2, 3]), []);
        assert_eq!(gaps([3, 4, 6, 9]), [(1, 2), (5, 5), (7, 8)]);
        assert_eq!(gaps([1, u64::MAX]), [(2, u64::MAX - 1)]);
        assert_eq!(gaps([u64::MAX, u64::MAX]), [(1, u64::MAX - 1)]);
    }
}
