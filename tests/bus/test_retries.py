"""What a worker waits for."""

from hypothesis import given
from hypothesis import strategies as st

from airwave.bus.retries import Retries


def test_the_first_due_comes_first_and_stays_until_it_is_discarded():
    retries = Retries(10)
    for entry_id, due_s in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
        retries.add(entry_id, due_s)
    assert retries.next_due_s() == 1.0
    assert retries.due(2.5, 10) == ["a", "b"]
    assert retries.due(2.5, 1) == ["a"]
    assert retries.due(2.5, 0) == []
    retries.discard("a")
    assert retries.due(2.5, 10) == ["b"]
    assert ("a" in retries, "b" in retries, len(retries)) == (False, True, 2)


def test_what_fails_again_waits_for_its_new_time():
    retries = Retries(10)
    retries.add("a", 1.0)
    retries.add("a", 5.0)
    assert (retries.next_due_s(), retries.due(4.0, 10), len(retries)) == (5.0, [], 1)


def test_it_is_full():
    retries = Retries(2)
    retries.add("a", 1.0)
    assert not retries.full
    retries.add("b", 1.0)
    assert retries.full


def test_what_is_far_is_forgotten_with_its_entry():
    retries = Retries(2)
    retries.add("a", 100.0, far=True)
    retries.add("b", 200.0, far=True)
    retries.discard("a")
    assert retries.far == {"b"}
    assert retries.left_s(retries.far, 150.0) == {"b": 50.0}
    assert retries.left_s(["a", "b"], 250.0) == {"b": 0.0}


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 20), st.booleans()), max_size=400))
def test_it_behaves_as_a_dictionary_of_times_does_and_does_not_grow(steps):
    retries, model = Retries(6), {}
    for entry_id, due_s, discard in steps:
        if discard:
            retries.discard(entry_id)
            model.pop(entry_id, None)
        else:
            retries.add(entry_id, float(due_s))
            model[entry_id] = float(due_s)
        assert retries.next_due_s() == min(model.values(), default=None)
        due = retries.due(10.0, 100)
        assert sorted(due) == sorted(each for each, at in model.items() if at <= 10)
        assert [model[each] for each in due] == sorted(model[each] for each in due)
        assert len(retries._heap) <= 2 * 6 + 100
