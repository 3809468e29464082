"""The C of the two slots: models on trial are confirmed, rejected, or given up."""

from slots_proof import install, send

from firmware_bridge.link.bundle_image import sha256_of
from tests.firmware_bridge.c_slots import NEW, OLD, OTHER, device, library_fixture, with_old  # noqa: F401  # fixtures


def test_a_model_that_is_not_confirmed_is_given_up(library):
    one = with_old(library)
    assert send(one, NEW).state == 1
    assert one.activate()
    for _ in range(3):
        one.power_on()
        assert one.running() == NEW
    for _ in range(2):
        one.power_on()
        assert one.running() == OLD
    sent = send(one, NEW)
    assert (sent.state, "was tried" in sent.reason) == (3, True)
    install(one, OTHER)


def test_a_model_that_the_firmware_rejects(library):
    one = with_old(library)
    assert send(one, NEW).state == 1
    assert one.activate()
    one.power_on()
    assert one.running() == NEW
    assert one.reject()
    one.power_on()
    assert one.running() == OLD
    assert send(one, NEW).state == 3


def test_nothing_is_taken_while_a_model_is_on_trial(library):
    one = with_old(library)
    assert send(one, NEW).state == 1
    assert one.activate()
    one.power_on()
    sent = send(one, OTHER)
    assert (sent.state, "on trial" in sent.reason) == (3, True)
    assert one.confirm()
    assert send(one, OTHER).state == 1


def test_what_waits_for_a_start_is_not_replaced(library):
    one = with_old(library)
    assert send(one, NEW).state == 1
    assert one.activate()
    one.say()
    for image in (OTHER, OLD):
        sent = send(one, image)
        assert (sent.state, "waits" in sent.reason) == (3, True)
        assert sent.said[0].values["sha256"] == sha256_of(image)
    assert send(one, NEW).state == 2
    one.power_on()
    assert one.running() == NEW


def test_a_first_model_that_does_not_run_leaves_the_link(library):
    one = device(library)
    assert send(one, OLD).state == 1
    assert one.activate()
    one.power_on()
    assert one.reject()
    one.power_on()
    assert one.running() is None
    install(one, NEW)


def test_nothing_to_confirm(library):
    empty = device(library)
    assert not empty.confirm()
    assert not empty.reject()
    assert not empty.activate()
    assert with_old(library).confirm()
