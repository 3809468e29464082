"""What shortcut probes find in rendered clips, as plain data, and whether that is as it must be."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from train.leaks import LEAKS, leaked
from train.liveness_report import clusters_of, counted
from train.metrics import cluster_interval, equal_error_rate
from train.probes import (
    COMPARED,
    CREST,
    HEARD,
    PROBES,
    Probe,
    WholeClip,
    chance_band,
    distances,
    fit_probe,
    measure_all,
    whole_clips,
)
from train.task import ProtocolLimits

__all__ = ["probe_faults", "probe_report"]

Clips = dict[str, np.ndarray]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def probe_report(
    fitted: Clips,
    measured: Clips,
    *,
    limits: ProtocolLimits,
    seed: int,
    rounds: int = 1000,
    probes: Sequence[Probe] = PROBES,
) -> dict[str, Any]:
    """Fit every probe, measure it, and show it its leaks.

    Parameters
    ----------
    fitted, measured : dict
        As :func:`train.liveness_scenes.build_liveness_clips` returns them with ``keep="whole"``.
    limits : ProtocolLimits
        What probes are held to.
    seed : int
    rounds : int
        Resamples of talkers and loudspeakers (of live clips: rooms) for each interval.
    probes : sequence of Probe
        Which to judge.

    Returns
    -------
    dict
        ``limits``; ``clips``, counted; ``chance_95``, within which a probe that knows nothing lies if clips were
        independent; ``judged``: for each probe ``eer`` with its interval, its ``measures``, its ``leaks`` with the
        error on each, ``at_chance`` and ``sees``; ``strata``: the same of the probes that look at some of the clips,
        with how many (``fitted``, ``clips``) and how far from 1/2 they may be (``allowed``), ``at_chance`` and ``sees``
        None and no figures where there are too few to judge; ``not_judged``: the crest factor; ``distances`` of
        Kolmogorov-Smirnov between both classes (of what an endpointer hears, without replays that a limiter compressed;
        with them: ``distances_with_limiters``), and whether all are ``alike``, None if there are too few clips to tell.

    Raises
    ------
    DataError
        If a class is empty.
    """
    sets = [_Set(of) for of in (fitted, measured)]
    judged: dict[str, Any] = {}
    strata: dict[str, Any] = {}
    apart: dict[str, dict[str, float]] = {}
    limited: dict[str, float] = {}
    for probe in tqdm(probes, desc="probes", unit="probe"):
        parts = [of.part(probe) for of in sets]
        if probe.stratum is not None:
            one = {"fitted": parts[0].counts, "clips": parts[1].counts, "at_chance": None, "sees": None}
            strata[probe.name] = one
            if min(*parts[0].counts.values(), *parts[1].counts.values()) < limits.stratum_clips:
                tqdm.write(f"probe {probe.name}: not judged, fewer than {limits.stratum_clips} clips of a class")
                continue
            low, high = chance_band(parts[1].counts["live"], parts[1].counts["replay"])
            one["allowed"] = max(limits.most_off_chance, (high - low) / 2)
        else:
            one = judged[probe.name] = {}
        found, far = _measured(probe, *parts, seed=seed, rounds=rounds)
        limited |= found.pop("distances_all")
        one |= found
        one["at_chance"] = abs(one["eer"] - 0.5) <= one.get("allowed", limits.most_off_chance)
        one["sees"] = all(leak["eer"] <= limits.most_on_leak for leak in one["leaks"])
        if probe.name in COMPARED:
            apart[probe.name] = {name: far[name] for name in COMPARED[probe.name]}
        seen = ", ".join(f"{100 * leak['eer']:.1f} %" for leak in one["leaks"])
        tqdm.write(f"probe {probe.name}: EER {100 * one['eer']:.1f} %; on copies with leaks {seen}")

    crest, _ = _measured(CREST, *(of.part(CREST) for of in sets), seed=seed, rounds=rounds)
    counts = sets[1].part(CREST).counts
    alike = all(value <= limits.most_distance for far in apart.values() for value in far.values())
    enough = min(counts.values()) >= limits.distance_clips
    if not enough:
        tqdm.write(f"distances: not judged, fewer than {limits.distance_clips} clips of a class")
    return {
        "limits": asdict(limits),
        "clips": counted(measured),
        "chance_95": list(chance_band(counts["live"], counts["replay"])),
        "judged": judged,
        "strata": strata,
        "not_judged": {
            CREST.name: {
                "what": "level and peak together: what a loudspeaker does to the crest factor",
                **{key: value for key, value in crest.items() if key in ("eer", "eer_interval_95", "measures")},
            }
        },
        "distances": apart,
        "distances_with_limiters": limited,
        "alike": alike if enough else None,
    }


class _Part:
    """Clips that a probe looks at."""

    def __init__(self, clips: list[WholeClip], live: Mask, ways: list[list[str]]) -> None:
        self.clips = clips
        self.live = live
        self.ways = ways
        self.counts = {"live": int(live.sum()), "replay": int((~live).sum())}


class _Set:
    """A rendered set, taken apart."""

    def __init__(self, rendered: Clips) -> None:
        self._all = _Part(whole_clips(rendered), rendered["live"].astype(bool), clusters_of(rendered))

    def part(self, probe: Probe) -> _Part:
        """Return the clips that a probe looks at."""
        if probe.stratum is None:
            return self._all
        chosen = [number for number, clip in enumerate(self._all.clips) if probe.stratum(clip)]
        return _Part(
            [self._all.clips[number] for number in chosen],
            self._all.live[chosen],
            [[names[number] for number in chosen] for names in self._all.ways],
        )


def _error(scores: Floats, live: Mask) -> float:
    return equal_error_rate(scores[live], scores[~live]) if live.any() and not live.all() else float("nan")


def _measured(
    probe: Probe, fitted: _Part, measured: _Part, *, seed: int, rounds: int
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return what a probe finds, and how far the classes are apart in each of its measures."""

    def scores(clips: list[Floats]) -> Floats:
        return fit_probe(clips[0], fitted.live, seed=seed)(clips[1])

    features = [measure_all(probe, part.clips) for part in (fitted, measured)]
    found, live = scores(features), measured.live
    interval = cluster_interval(lambda index: _error(found[index], live[index]), measured.ways, rounds=rounds)
    leaks = []
    for leak in (leak for leak in LEAKS if leak.probe == probe.name):
        copies = [measure_all(probe, leaked(leak, part.clips, part.live)) for part in (fitted, measured)]
        leaks.append({"what": leak.what, "label": leak.label, "eer": _error(scores(copies), live)})
    figures = {
        "eer": _error(found, live), "eer_interval_95": list(interval), "measures": list(probe.measures), "leaks": leaks,
    }  # fmt: skip
    compressed = np.array([clip.compressed for clip in measured.clips], bool)
    figures["distances_all"] = {name: far for name, far in distances(probe, features[1], live).items() if name in HEARD}
    return figures, distances(probe, features[1], live, compressed)


def probe_faults(report: dict[str, Any]) -> list[str]:
    """Return what is wrong with the figures of :func:`probe_report`, as parts of a line."""
    limits = ProtocolLimits(**report["limits"])
    faults = []
    for name, entry in (report["judged"] | report["strata"]).items():
        if entry["at_chance"] is False:
            off = entry.get("allowed", limits.most_off_chance)
            faults.append(
                f"the probe {name!r} tells live from replayed (EER {100 * entry['eer']:.1f} %, "
                f"expected {100 * (0.5 - off):.3g} to {100 * (0.5 + off):.3g})"
            )
        if entry["sees"] is False:
            worst = max(entry["leaks"], key=lambda leak: float(leak["eer"]))
            faults.append(
                f"the probe {name!r} misses a leak ({worst['what']}: EER {100 * worst['eer']:.1f} %, "
                f"expected at most {100 * limits.most_on_leak:g})"
            )
    if report["alike"] is False:
        faults += [
            f"live and replayed clips differ in {name!r} (Kolmogorov-Smirnov {value:.3f}, "
            f"expected at most {limits.most_distance:g})"
            for far in report["distances"].values()
            for name, value in far.items()
            if value > limits.most_distance
        ]
    return faults
