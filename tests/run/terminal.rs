//! -t on a real terminal, and `--step` with a reader: driven through tmux.

use support::screen::Terminal;
use support::site::Site;

#[test]
fn a_terminal_has_a_size_takes_keys_and_is_given_back() {
    let site = Site::ours();
    site.says("$S run --rm stepbox/base true");
    let Some(terminal) = Terminal::open("a_terminal_has_a_size_takes_keys_and_is_given_back", &site) else {
        return;
    };
    terminal.types("stty -g >$D/state/before; $S run --rm -it stepbox/base sh; echo code $?");
    terminal.is_the_shells();
    terminal.shows("\ncode 9\n%");
    terminal.types("stty -g | diff - $D/state/before && echo restored as it was");
    terminal.shows("\nrestored as it was");
    drop(terminal);
    site.assert_clean();
}

#[test]
fn a_reader_who_stops_leaves_nothing() {
    let site = Site::ours();
    site.says("$S run --rm stepbox/base true");
    let Some(terminal) = Terminal::open("a_reader_who_stops_leaves_nothing", &site) else { return };
    for enters in [0, 3, 25, 45] {
        terminal.types("clear; tmux clear-history; $S run --rm --step stepbox/base true; echo left with $?");
        terminal.shows("take step 1 ");
        for step in 0..enters {
            terminal.press("Enter");
            terminal.shows(&format!("take step {} ", step + 2));
        }
        terminal.press("q");
        terminal.shows("\nleft with 0");
        site.assert_clean();
    }
}
