//! The invariants of users, at rest: pure, so that each of them can be shown to fail.

use std::collections::HashSet;

use super::checker::Findings;

/// A user as accounts has them, and what the others have of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct User {
    pub(crate) email: String,
    /// How many lists they have.
    pub(crate) lists: i64,
    /// The `Message-ID` of each mail that has welcomed them.
    pub(crate) welcomes: Vec<String>,
}

/// Everything that is known about the users of a run.
#[derive(Debug, Default)]
pub(crate) struct Users {
    /// The addresses whose registration was accepted.
    pub(crate) promised: Vec<String>,
    pub(crate) registered: Vec<User>,
    /// Mails to addresses that are nobody's.
    pub(crate) strangers: Vec<String>,
    /// Where a password, a hash or an address was found that does not belong there.
    pub(crate) leaks: Vec<String>,
}

/// Holds what was read against every promise about users.
pub(crate) fn check_users(users: &Users, findings: &mut Findings) {
    findings.found.users = users.registered.len();
    let known: HashSet<&str> = users.registered.iter().map(|user| &*user.email).collect();
    let lost = users.promised.iter().filter(|email| !known.contains(email.as_str()));
    findings.found.lost += findings.note("users, accepted and not there", lost.cloned());
    let lists = users.registered.iter().filter(|user| user.lists != 1);
    let lists = lists.map(|user| format!("{} has {}", user.email, user.lists));
    findings.found.wrong_at_rest += findings.note("users, not one first list", lists);
    let silent = users.registered.iter().filter(|user| user.welcomes.is_empty());
    findings.found.lost += findings.note("users, never welcomed", silent.map(|user| user.email.clone()));
    let twice = users.registered.iter().filter(|user| user.welcomes.iter().collect::<HashSet<_>>().len() > 1);
    let twice = twice.map(|user| format!("{}: {:?}", user.email, user.welcomes));
    findings.found.twice += findings.note("users, welcomed with more than one Message-ID", twice);
    findings.note("users, mails to nobody", users.strangers.iter().cloned());
    findings.note("users, found where it does not belong", users.leaks.iter().cloned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Users {
        let user = |email: &str| User {
            email: email.to_owned(),
            lists: 1,
            // The same mail twice is the same mail.
            welcomes: vec!["1@shop.example".to_owned(), "1@shop.example".to_owned()],
        };
        Users {
            promised: vec!["ann".to_owned()],
            registered: vec![user("ann"), user("bob")],
            ..Users::default()
        }
    }

    type Spoilt = (fn(&mut Users), &'static str);

    fn violations(spoil: impl FnOnce(&mut Users)) -> Vec<String> {
        let (mut users, mut findings) = (well(), Findings::default());
        spoil(&mut users);
        check_users(&users, &mut findings);
        findings.violations
    }

    #[test]
    fn each_invariant_of_users_fails_for_what_it_is_there_for() {
        assert_eq!(violations(|_| {}), [""; 0]);
        let spoilt: [Spoilt; 7] = [
            (|users| users.promised.push("cleo".to_owned()), "accepted and not there: 1, such as cleo"),
            (|users| users.registered[1].lists = 0, "not one first list: 1, such as bob has 0"),
            (|users| users.registered[0].lists = 2, "not one first list"),
            (|users| users.registered[0].welcomes.clear(), "never welcomed: 1, such as ann"),
            (|users| users.registered[0].welcomes[0].push('x'), "more than one Message-ID"),
            (|users| users.strangers.push("eve".to_owned()), "mails to nobody"),
            (|users| users.leaks.push("relay.log".to_owned()), "where it does not belong"),
        ];
        for (spoil, said) in spoilt {
            let found = violations(spoil);
            assert!(found.len() == 1 && found[0].contains(said), "{said}: {found:?}");
        }
    }
}
