"""A client of TensorBoard 2.21's HTTP API: one method per thing that a dashboard shows.

Knows the routes and the shape of their answers, and turns them into plain tuples and arrays. Must not know
how the server was started, nor anything of eventwriter: what is checked here is what a browser would get.

JSON has no NaN, so TensorBoard sends "NaN", "Infinity" and "-Infinity"; numbers come back here as floats.
"""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np


class RequestError(RuntimeError):
    """An answer other than 200; `status` is its code."""

    def __init__(self, status: int, path: str, body: bytes) -> None:
        self.status = status
        super().__init__(f"{status} from {path}: {body[:2000].decode(errors='replace')}")


class Scalar(NamedTuple):
    wall_time: float
    step: int
    value: float


class Histogram(NamedTuple):
    wall_time: float
    step: int
    buckets: list[tuple[float, float, float]]  # left, right, count


class Blob(NamedTuple):
    """One image or audio clip; `sample` is its place among those of its step."""

    wall_time: float
    step: int
    sample: int
    content_type: str
    data: bytes


class Text(NamedTuple):
    wall_time: float
    step: int
    html: str


class PrCurve(NamedTuple):
    """Without the tail where nothing is predicted positive: the server cuts it off."""

    wall_time: float
    step: int
    precision: list[float]
    recall: list[float]
    true_positives: list[int]
    false_positives: list[int]
    true_negatives: list[int]
    false_negatives: list[int]
    thresholds: list[float]


class MeshPart(NamedTuple):
    """Vertices (float32), faces (int32) or colors (uint8) of a batch: `data` of shape (batch, n, 3)."""

    wall_time: float
    step: int
    content: str  # VERTEX, FACE or COLOR
    components: int  # bit mask of the parts that the mesh has
    config: dict[str, Any]
    data: np.ndarray


class TensorBoardClient:
    """Asks the server at 127.0.0.1:`port`. Every method raises `RequestError` where the server refuses."""

    def __init__(self, port: int) -> None:
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def get(self, path: str, parameters: Mapping[str, Any] | Sequence[tuple[str, Any]] = ()) -> bytes:
        """Body of `path`, with `parameters` as the query."""
        return self._request("GET", path + ("?" + urlencode(parameters) if parameters else ""))[1]

    def json(self, path: str, parameters: Mapping[str, Any] | Sequence[tuple[str, Any]] = ()) -> Any:
        """The same, as JSON."""
        return json.loads(self.get(path, parameters))

    def _request(self, method: str, path: str, body: str | None = None, kind: str = "") -> tuple[str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, "/" + path, body, {"Content-Type": kind} if kind else {})
            response = connection.getresponse()
            data = response.read()
            if response.status != 200:
                raise RequestError(response.status, path, data)
            return response.headers.get("Content-Type", ""), data
        finally:
            connection.close()

    # What there is.

    def environment(self) -> dict[str, Any]:
        """Version, logdir and, under "debug", the data provider and the flags."""
        return self.json("data/environment")

    def runs(self) -> list[str]:
        return self.json("data/runs")

    def active_plugins(self) -> set[str]:
        """Names of the dashboards that are not greyed out."""
        return {name for name, plugin in self.json("data/plugins_listing").items() if plugin["enabled"]}

    def tags(self, plugin: str) -> dict[str, dict[str, Any]]:
        """Run → tag → what the plugin says of it (displayName, description as HTML, samples).

        `plugin`: scalars, histograms, distributions, images, audio, text, pr_curves or mesh; for text the
        information is empty.
        """
        listing = self.json(f"data/plugin/{plugin}/tags")
        return {run: tags if isinstance(tags, dict) else {tag: {} for tag in tags} for run, tags in listing.items()}

    # Series.

    def scalars(self, run: str, tag: str) -> list[Scalar]:
        points = self.json("data/plugin/scalars/scalars", {"run": run, "tag": tag})
        return [Scalar(float(wall_time), step, float(value)) for wall_time, step, value in points]

    def histograms(self, run: str, tag: str) -> list[Histogram]:
        """All of them, by the Time Series dashboard's route (the Histograms dashboard's stops at 51)."""
        return [
            Histogram(
                float(point["wallTime"]),
                point["step"],
                [(float(b["min"]), float(b["max"]), float(b["count"])) for b in point["bins"]],
            )
            for point in self.time_series("histograms", run, tag)
        ]

    def histograms_dashboard(self, run: str, tag: str) -> list[Histogram]:
        """What the Histograms dashboard asks for: at most 51 of a tag."""
        points = self.json("data/plugin/histograms/histograms", {"run": run, "tag": tag})
        return [
            Histogram(float(wall_time), step, [(float(left), float(right), float(n)) for left, right, n in buckets])
            for wall_time, step, buckets in points
        ]

    def distributions(self, run: str, tag: str) -> list[tuple[float, int, list[tuple[float, float]]]]:
        """(wall_time, step, [(basis point, value), …]): the histogram's percentiles as drawn."""
        points = self.json("data/plugin/distributions/distributions", {"run": run, "tag": tag})
        return [(float(wall), step, [(float(p), float(v)) for p, v in curve]) for wall, step, curve in points]

    def images(self, run: str, tag: str) -> list[Blob]:
        """Every image of the Images dashboard, ordered by step, then sample."""
        return self._blobs("images/images", "images/individualImage", run, tag, self.tags("images")[run][tag])

    def audio(self, run: str, tag: str) -> list[Blob]:
        """Every clip, ordered by step, then sample.

        TensorBoard itself answers 500 where the steps of a tag have different numbers of clips.
        """
        return self._blobs("audio/audio", "audio/individualAudio", run, tag, self.tags("audio")[run][tag])

    def _blobs(self, listing: str, route: str, run: str, tag: str, info: dict[str, Any]) -> list[Blob]:
        found = []
        for sample in range(info["samples"]):
            parameters = {"run": run, "tag": tag, "sample": sample}
            for item in self.json(f"data/plugin/{listing}", parameters):
                kind, data = self._request("GET", f"data/plugin/{route}?{item['query']}")
                found.append(Blob(float(item["wall_time"]), item["step"], sample, kind, data))
        return sorted(found, key=lambda blob: (blob.step, blob.sample))

    def text(self, run: str, tag: str, *, markdown: bool = True) -> list[Text]:
        parameters = {"run": run, "tag": tag, "markdown": "true" if markdown else "false"}
        points = self.json("data/plugin/text/text", parameters)
        return [Text(float(point["wall_time"]), point["step"], point["text"]) for point in points]

    def pr_curves(self, run: str, tag: str) -> list[PrCurve]:
        points = self.json("data/plugin/pr_curves/pr_curves", {"run": run, "tag": tag})[run]
        for point in points:
            for name in ("precision", "recall", "thresholds"):
                point[name] = [float(value) for value in point[name]]
        return [PrCurve(**point) for point in points]

    def meshes(self, run: str, tag: str) -> list[MeshPart]:
        """All parts of all steps of a mesh, under the name that the user gave it."""
        import numpy as np

        kinds = {1: ("VERTEX", np.float32), 2: ("FACE", np.int32), 3: ("COLOR", np.uint8)}
        parts = []
        for item in self.json("data/plugin/mesh/meshes", {"run": run, "tag": tag}):
            content, dtype = kinds[item["content_type"]]
            query = {"run": run, "tag": tag, "step": item["step"], "content_type": content}
            batch = [
                np.frombuffer(self.get("data/plugin/mesh/data", {**query, "sample": sample}), dtype).reshape(-1, 3)
                for sample in range(item["data_shape"][0])
            ]
            config = json.loads(item["config"]) if item["config"] else {}
            parts.append(
                MeshPart(item["wall_time"], item["step"], content, item["components"], config, np.stack(batch))
            )
        return parts

    # The Time Series dashboard: the same data by the routes of the newer frontend.

    def time_series_tags(self) -> dict[str, Any]:
        """For scalars, histograms and images: runs, tags, descriptions (HTML) and samples per step."""
        return self.json("data/plugin/timeseries/tags")

    def time_series(self, plugin: str, run: str, tag: str, sample: int | None = None) -> list[dict[str, Any]]:
        """Points of a series as the frontend gets them. `plugin` "images" needs `sample`."""
        request = {"plugin": plugin, "run": run, "tag": tag} | ({} if sample is None else {"sample": sample})
        form = urlencode({"requests": json.dumps([request])})
        path = "data/plugin/timeseries/timeSeries"
        body = self._request("POST", path, form, "application/x-www-form-urlencoded")[1]
        (answer,) = json.loads(body)
        if "error" in answer:
            raise RequestError(200, path, body)
        return answer["runToSeries"].get(run, [])

    def time_series_image(self, image_id: str) -> bytes:
        return self.get("data/plugin/timeseries/imageData", {"imageId": image_id})

    # Things of a whole run or experiment.

    def custom_scalars_layout(self) -> dict[str, Any]:
        """All runs' layouts merged, as the JSON form of `Layout`; {} where there is none."""
        return self.json("data/plugin/custom_scalars/layout")

    def custom_scalars(self, run: str, tag_regex: str) -> dict[str, list[Scalar]]:
        """The series that a chart with this regular expression draws."""
        answer = self.json("data/plugin/custom_scalars/scalars", {"run": run, "tag": tag_regex})
        if not answer["regex_valid"]:
            raise ValueError(f"TensorBoard takes {tag_regex!r} for no regular expression")
        return {
            tag: [Scalar(float(wall_time), step, float(value)) for wall_time, step, value in points]
            for tag, points in answer["tag_to_events"].items()
        }

    def hparams_experiment(self) -> dict[str, Any]:
        """Declared hyperparameters and metrics: the JSON form of hparams' `Experiment`."""
        return self._hparams("experiment", {"experimentName": ""})

    def hparams_session_groups(self) -> list[dict[str, Any]]:
        """Rows of the HParams table: hparams, metricValues and sessions (the JSON form of `SessionGroup`)."""
        statuses = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
        request = {"experimentName": "", "allowedStatuses": statuses, "startIndex": 0, "sliceSize": 10_000}
        return self._hparams("session_groups", request).get("sessionGroups", [])

    def _hparams(self, route: str, request: dict[str, Any]) -> dict[str, Any]:
        path = f"data/plugin/hparams/{route}"
        return json.loads(self._request("POST", path, json.dumps(request), "application/json")[1])

    def graph_info(self) -> dict[str, dict[str, Any]]:
        """Run → which graphs it has: `run_graph`, and per tag `op_graph`, `conceptual_graph`, `profile`."""
        return self.json("data/plugin/graphs/info")

    def graph(self, run: str, tag: str | None = None, *, conceptual: bool = False) -> Any:
        """A `GraphDef` (TensorBoard's class): the run's, or the tag's, or made of a Keras model's JSON."""
        from google.protobuf import text_format
        from tensorboard.compat.proto.graph_pb2 import GraphDef

        parameters = {"run": run} | ({"tag": tag} if tag else {}) | ({"conceptual": "true"} if conceptual else {})
        return text_format.Parse(self.get("data/plugin/graphs/graph", parameters).decode(), GraphDef())

    def run_metadata(self, run: str, tag: str) -> Any:
        """A `RunMetadata` message (of TensorBoard's classes)."""
        from google.protobuf import text_format
        from tensorboard.compat.proto.config_pb2 import RunMetadata

        text = self.get("data/plugin/graphs/run_metadata", {"run": run, "tag": tag})
        return text_format.Parse(text.decode(), RunMetadata())

    def projector_runs(self) -> list[str]:
        return self.json("data/plugin/projector/runs")

    def projector_config(self, run: str) -> dict[str, Any]:
        """The JSON form of `ProjectorConfig`, shapes filled in."""
        return self.json("data/plugin/projector/info", {"run": run})

    def projector_tensor(self, run: str, name: str) -> np.ndarray:
        """Rows of an embedding as float32."""
        import numpy as np

        shapes = {e["tensorName"]: e["tensorShape"] for e in self.projector_config(run)["embeddings"]}
        data = self.get("data/plugin/projector/tensor", {"run": run, "name": name})
        return np.frombuffer(data, np.float32).reshape(shapes[name])

    def projector_metadata(self, run: str, name: str) -> list[list[str]]:
        """Rows of the metadata file; with more than one column the first row is the header."""
        text = self.get("data/plugin/projector/metadata", {"run": run, "name": name}).decode()
        return [line.split("\t") for line in text.removesuffix("\n").split("\n")]

    def projector_sprite(self, run: str, name: str) -> bytes:
        """The sprite image's file."""
        return self.get("data/plugin/projector/sprite_image", {"run": run, "name": name})
