"""The messages of the Event family, for code that builds an Event, a Summary or a graph of its own.

Knows: the generated modules in `_proto`. Must not know: anything else. They are our own classes (package
`eventwriter`), so that they live beside TensorBoard's and TensorFlow's in one process; on the wire they are the same.
"""

from __future__ import annotations

from eventwriter._proto.attr_value_pb2 import (
    AttrValue as AttrValue,
)
from eventwriter._proto.attr_value_pb2 import (
    NameAttrList as NameAttrList,
)
from eventwriter._proto.custom_scalar_pb2 import (
    Category as Category,
)
from eventwriter._proto.custom_scalar_pb2 import (
    Chart as Chart,
)
from eventwriter._proto.custom_scalar_pb2 import (
    Layout as Layout,
)
from eventwriter._proto.custom_scalar_pb2 import (
    MarginChartContent as MarginChartContent,
)
from eventwriter._proto.custom_scalar_pb2 import (
    MultilineChartContent as MultilineChartContent,
)
from eventwriter._proto.event_pb2 import (
    Event as Event,
)
from eventwriter._proto.event_pb2 import (
    SessionLog as SessionLog,
)
from eventwriter._proto.event_pb2 import (
    SourceMetadata as SourceMetadata,
)
from eventwriter._proto.event_pb2 import (
    TaggedRunMetadata as TaggedRunMetadata,
)
from eventwriter._proto.function_pb2 import (
    FunctionDef as FunctionDef,
)
from eventwriter._proto.function_pb2 import (
    FunctionDefLibrary as FunctionDefLibrary,
)
from eventwriter._proto.function_pb2 import (
    GradientDef as GradientDef,
)
from eventwriter._proto.function_pb2 import (
    OpDef as OpDef,
)
from eventwriter._proto.graph_pb2 import (
    GraphDef as GraphDef,
)
from eventwriter._proto.hparams_pb2 import (
    DatasetType as DatasetType,
)
from eventwriter._proto.hparams_pb2 import (
    Experiment as Experiment,
)
from eventwriter._proto.hparams_pb2 import (
    HParamDataType as HParamDataType,
)
from eventwriter._proto.hparams_pb2 import (
    HParamInfo as HParamInfo,
)
from eventwriter._proto.hparams_pb2 import (
    HParamsPluginData as HParamsPluginData,
)
from eventwriter._proto.hparams_pb2 import (
    Interval as Interval,
)
from eventwriter._proto.hparams_pb2 import (
    MetricInfo as MetricInfo,
)
from eventwriter._proto.hparams_pb2 import (
    MetricName as MetricName,
)
from eventwriter._proto.hparams_pb2 import (
    SessionEndInfo as SessionEndInfo,
)
from eventwriter._proto.hparams_pb2 import (
    SessionStartInfo as SessionStartInfo,
)
from eventwriter._proto.hparams_pb2 import (
    Status as Status,
)
from eventwriter._proto.node_def_pb2 import (
    NodeDef as NodeDef,
)
from eventwriter._proto.plugin_data_pb2 import (
    AudioPluginData as AudioPluginData,
)
from eventwriter._proto.plugin_data_pb2 import (
    HistogramPluginData as HistogramPluginData,
)
from eventwriter._proto.plugin_data_pb2 import (
    ImagePluginData as ImagePluginData,
)
from eventwriter._proto.plugin_data_pb2 import (
    MeshPluginData as MeshPluginData,
)
from eventwriter._proto.plugin_data_pb2 import (
    PrCurvePluginData as PrCurvePluginData,
)
from eventwriter._proto.plugin_data_pb2 import (
    ScalarPluginData as ScalarPluginData,
)
from eventwriter._proto.plugin_data_pb2 import (
    TextPluginData as TextPluginData,
)
from eventwriter._proto.projector_pb2 import (
    EmbeddingInfo as EmbeddingInfo,
)
from eventwriter._proto.projector_pb2 import (
    ProjectorConfig as ProjectorConfig,
)
from eventwriter._proto.projector_pb2 import (
    SpriteMetadata as SpriteMetadata,
)
from eventwriter._proto.step_stats_pb2 import (
    AllocationDescription as AllocationDescription,
)
from eventwriter._proto.step_stats_pb2 import (
    AllocationRecord as AllocationRecord,
)
from eventwriter._proto.step_stats_pb2 import (
    AllocatorMemoryUsed as AllocatorMemoryUsed,
)
from eventwriter._proto.step_stats_pb2 import (
    DeviceStepStats as DeviceStepStats,
)
from eventwriter._proto.step_stats_pb2 import (
    MemoryStats as MemoryStats,
)
from eventwriter._proto.step_stats_pb2 import (
    NodeExecStats as NodeExecStats,
)
from eventwriter._proto.step_stats_pb2 import (
    NodeOutput as NodeOutput,
)
from eventwriter._proto.step_stats_pb2 import (
    RunMetadata as RunMetadata,
)
from eventwriter._proto.step_stats_pb2 import (
    StepStats as StepStats,
)
from eventwriter._proto.step_stats_pb2 import (
    TensorDescription as TensorDescription,
)
from eventwriter._proto.summary_pb2 import (
    DATA_CLASS_BLOB_SEQUENCE as DATA_CLASS_BLOB_SEQUENCE,
)
from eventwriter._proto.summary_pb2 import (
    DATA_CLASS_SCALAR as DATA_CLASS_SCALAR,
)
from eventwriter._proto.summary_pb2 import (
    DATA_CLASS_TENSOR as DATA_CLASS_TENSOR,
)
from eventwriter._proto.summary_pb2 import (
    DATA_CLASS_UNKNOWN as DATA_CLASS_UNKNOWN,
)
from eventwriter._proto.summary_pb2 import (
    DataClass as DataClass,
)
from eventwriter._proto.summary_pb2 import (
    HistogramProto as HistogramProto,
)
from eventwriter._proto.summary_pb2 import (
    Summary as Summary,
)
from eventwriter._proto.summary_pb2 import (
    SummaryMetadata as SummaryMetadata,
)
from eventwriter._proto.tensor_pb2 import (
    TensorProto as TensorProto,
)
from eventwriter._proto.tensor_shape_pb2 import (
    TensorShapeProto as TensorShapeProto,
)
from eventwriter._proto.types_pb2 import (
    DT_BFLOAT16 as DT_BFLOAT16,
)
from eventwriter._proto.types_pb2 import (
    DT_BOOL as DT_BOOL,
)
from eventwriter._proto.types_pb2 import (
    DT_COMPLEX64 as DT_COMPLEX64,
)
from eventwriter._proto.types_pb2 import (
    DT_COMPLEX128 as DT_COMPLEX128,
)
from eventwriter._proto.types_pb2 import (
    DT_DOUBLE as DT_DOUBLE,
)
from eventwriter._proto.types_pb2 import (
    DT_FLOAT as DT_FLOAT,
)
from eventwriter._proto.types_pb2 import (
    DT_FLOAT4_E2M1FN as DT_FLOAT4_E2M1FN,
)
from eventwriter._proto.types_pb2 import (
    DT_FLOAT8_E4M3B11FNUZ as DT_FLOAT8_E4M3B11FNUZ,
)
from eventwriter._proto.types_pb2 import (
    DT_FLOAT8_E4M3FN as DT_FLOAT8_E4M3FN,
)
from eventwriter._proto.types_pb2 import (
    DT_FLOAT8_E4M3FNUZ as DT_FLOAT8_E4M3FNUZ,
)
from eventwriter._proto.types_pb2 import (
    DT_FLOAT8_E5M2 as DT_FLOAT8_E5M2,
)
from eventwriter._proto.types_pb2 import (
    DT_FLOAT8_E5M2FNUZ as DT_FLOAT8_E5M2FNUZ,
)
from eventwriter._proto.types_pb2 import (
    DT_HALF as DT_HALF,
)
from eventwriter._proto.types_pb2 import (
    DT_INT2 as DT_INT2,
)
from eventwriter._proto.types_pb2 import (
    DT_INT4 as DT_INT4,
)
from eventwriter._proto.types_pb2 import (
    DT_INT8 as DT_INT8,
)
from eventwriter._proto.types_pb2 import (
    DT_INT16 as DT_INT16,
)
from eventwriter._proto.types_pb2 import (
    DT_INT32 as DT_INT32,
)
from eventwriter._proto.types_pb2 import (
    DT_INT64 as DT_INT64,
)
from eventwriter._proto.types_pb2 import (
    DT_INVALID as DT_INVALID,
)
from eventwriter._proto.types_pb2 import (
    DT_QINT8 as DT_QINT8,
)
from eventwriter._proto.types_pb2 import (
    DT_QINT16 as DT_QINT16,
)
from eventwriter._proto.types_pb2 import (
    DT_QINT32 as DT_QINT32,
)
from eventwriter._proto.types_pb2 import (
    DT_QUINT8 as DT_QUINT8,
)
from eventwriter._proto.types_pb2 import (
    DT_QUINT16 as DT_QUINT16,
)
from eventwriter._proto.types_pb2 import (
    DT_RESOURCE as DT_RESOURCE,
)
from eventwriter._proto.types_pb2 import (
    DT_STRING as DT_STRING,
)
from eventwriter._proto.types_pb2 import (
    DT_UINT2 as DT_UINT2,
)
from eventwriter._proto.types_pb2 import (
    DT_UINT4 as DT_UINT4,
)
from eventwriter._proto.types_pb2 import (
    DT_UINT8 as DT_UINT8,
)
from eventwriter._proto.types_pb2 import (
    DT_UINT16 as DT_UINT16,
)
from eventwriter._proto.types_pb2 import (
    DT_UINT32 as DT_UINT32,
)
from eventwriter._proto.types_pb2 import (
    DT_UINT64 as DT_UINT64,
)
from eventwriter._proto.types_pb2 import (
    DT_VARIANT as DT_VARIANT,
)
from eventwriter._proto.types_pb2 import (
    DataType as DataType,
)
from eventwriter._proto.versions_pb2 import (
    VersionDef as VersionDef,
)
