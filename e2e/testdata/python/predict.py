"""Predict: every type in every form, strings, output_filter, versions, labels, compression, the codes of errors."""
import grpc
import numpy as np
import tensorflow as tf
from run import PATIENCE, equal, refused
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2
from tensorflow_serving.apis import predict_pb2

StatusCode = grpc.StatusCode

# For each type the values sent, and the field of TensorProto that carries them where it is not tensor_content.
TYPES = {
    tf.float16: ([1.5, -0.25, 65504.0, float("inf")], "half_val"),
    tf.bfloat16: ([1.5, -0.25, 256.0, 0.0], "half_val"),
    tf.float32: ([0.1, -3.5e38, 1e-45, float("nan")], "float_val"),
    tf.float64: ([0.1, 1e308, -5e-324, 2.0], "double_val"),
    tf.int8: ([-128, 127, 0, 1], "int_val"),
    tf.int16: ([-32768, 32767, 0, 1], "int_val"),
    tf.int32: ([-2**31, 2**31 - 1, 0, 1], "int_val"),
    tf.int64: ([-2**63, 2**63 - 1, 0, 1], "int64_val"),
    tf.uint8: ([255, 0, 1, 2], "int_val"),
    tf.uint16: ([65535, 0, 1, 2], "int_val"),
    tf.uint32: ([2**32 - 1, 0, 1, 2], "uint32_val"),
    tf.uint64: ([2**64 - 1, 0, 1, 2], "uint64_val"),
    tf.bool: ([True, False, False, True], "bool_val"),
}


def request(model, inputs, signature="", **spec):
    r = predict_pb2.PredictRequest()
    r.model_spec.name, r.model_spec.signature_name = model, signature
    if "version" in spec:
        r.model_spec.version.value = spec["version"]
    if "label" in spec:
        r.model_spec.version_label = spec["label"]
    for name, tensor in inputs.items():
        r.inputs[name].CopyFrom(tensor)
    return r


def floats(*values):
    return tf.make_tensor_proto(np.array(values, np.float32))


def predict(server, r, **options):
    return server.prediction().Predict(r, PATIENCE, **options)


def typed(array, dtype, field):
    """The array as a TensorProto with one value an element in the type's own field."""
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    proto.tensor_shape.CopyFrom(tensor_shape_pb2.TensorShapeProto(
        dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=n) for n in array.shape]))
    values = array.view(np.uint16) if field == "half_val" else array
    getattr(proto, field).extend(values.flatten().tolist())
    return proto


def same(got, want, what):
    assert got.dtype == want.dtype and got.shape == want.shape, f"{what}: {got!r}, want {want!r}"
    assert got.tobytes() == want.tobytes(), f"{what}: {got!r}, want {want!r}"


def check_every_type_both_ways(server):
    for dtype, (values, field) in TYPES.items():
        array = np.array(values).astype(dtype.as_numpy_dtype).reshape(2, 2)
        content = tf.make_tensor_proto(array)
        if not content.tensor_content:  # this client makes typed fields of a few types
            content = typed(np.zeros([0], array.dtype), dtype, field)
            content.tensor_shape.CopyFrom(tf.TensorShape(array.shape).as_proto())
            content.tensor_content = array.tobytes()
        for form, proto in (("tensor_content", content), (field, typed(array, dtype, field))):
            out = predict(server, request("identity", {"x": proto}, dtype.name)).outputs["y"]
            same(tf.make_ndarray(out), array, f"{dtype.name} as {form}")
            assert not out.tensor_content and len(getattr(out, field)) == 4, f"{dtype.name} as {form}: answered as {out}"


def check_values_out_of_range(server):
    for dtype, values in ((tf.uint8, [1, 256]), (tf.int8, [0, -129]), (tf.int16, [0, 2**15]), (tf.uint16, [0, -1])):
        proto = typed(np.array(values), dtype, "int_val")
        refused(lambda: predict(server, request("identity", {"x": proto}, dtype.name)), StatusCode.INVALID_ARGUMENT,
                f"tensor parsing error: x: {values[1]} at index 1 is out of the range of {dtype.name}")


def check_tensor_content_where_it_is_asked_for(server):
    stub = server.prediction(server.channel(server.content))
    for dtype, (values, field) in TYPES.items():
        array = np.array(values).astype(dtype.as_numpy_dtype)
        out = stub.Predict(request("identity", {"x": typed(array, dtype, field)}, dtype.name), PATIENCE).outputs["y"]
        same(tf.make_ndarray(out), array, dtype.name)
        assert out.tensor_content and not getattr(out, field), f"{dtype.name}: answered as {out}"


def check_one_value_for_all_elements(server):
    # TensorFlow's own short form: the last value is repeated.
    proto = tf.make_tensor_proto(7.0, tf.float32, shape=[3, 2])
    equal(len(proto.float_val), 1)
    out = predict(server, request("identity", {"x": proto}, "float32")).outputs["y"]
    same(tf.make_ndarray(out), np.full([3, 2], 7, np.float32), "repeated")


def check_ranks_and_empty_tensors(server):
    for array in (np.float32(3), np.zeros([0], np.float32), np.zeros([0, 5], np.float32), np.ones([1, 2, 1, 2], np.float32)):
        out = predict(server, request("identity", {"x": tf.make_tensor_proto(array)}, "float32")).outputs["y"]
        same(tf.make_ndarray(out), np.asarray(array), f"shape {np.shape(array)}")


def check_strings(server):
    values = np.array([[b"", "höring".encode()], [b"\x00\xff\x00", b"x" * 100_000]], object)
    out = predict(server, request("identity", {"x": tf.make_tensor_proto(values)}, "string")).outputs["y"]
    equal(tf.make_ndarray(out).tolist(), values.tolist())


def check_several_inputs_and_output_filter(server):
    r = request("multi", {"a": tf.make_tensor_proto(np.ones([3, 2], np.float32)), "b": tf.make_tensor_proto(np.arange(3)),
                          "s": tf.make_tensor_proto([b"a", b"b", b"c"])})
    answer = predict(server, r)
    equal(sorted(answer.outputs), ["b2", "sum", "tag_bytes", "text"])
    equal(tf.make_ndarray(answer.outputs["b2"]).tolist(), [0, 2, 4])
    equal(tf.make_ndarray(answer.outputs["tag_bytes"]).tolist(), [b"a!", b"b!", b"c!"])
    r.output_filter.extend(["text", "sum"])
    answer = predict(server, r)
    equal(sorted(answer.outputs), ["sum", "text"])
    equal(tf.make_ndarray(answer.outputs["text"]).tolist(), [b"A", b"B", b"C"])
    r.output_filter.append("nope")
    refused(lambda: predict(server, r), StatusCode.INVALID_ARGUMENT, "nope")


def check_versions_and_labels(server):
    for spec, version, y in (({}, 2, 3.5), ({"version": 1}, 1, 2.5), ({"version": 2}, 2, 3.5),
                             ({"label": "stable"}, 1, 2.5), ({"label": "canary"}, 2, 3.5)):
        answer = predict(server, request("half_plus_two", {"x": floats(1)}, **spec))
        equal(tf.make_ndarray(answer.outputs["y"]).tolist(), [y], spec)
        equal((answer.model_spec.name, answer.model_spec.version.value, answer.model_spec.signature_name),
              ("half_plus_two", version, "serving_default"), spec)


def check_compression(server):
    x = np.arange(20_000, dtype=np.float32)
    for compression in grpc.Compression.Gzip, grpc.Compression.Deflate:
        channel = server.channel(compression=compression)
        out = server.prediction(channel).Predict(request("half_plus_two", {"x": tf.make_tensor_proto(x)}), PATIENCE).outputs["y"]
        same(tf.make_ndarray(out), x / 2 + 3, compression)


def check_large_messages(server):
    x = np.arange(5_000_000, dtype=np.float32)  # 20 MB, five times gRPC's own default limit
    channel = server.channel(options=[("grpc.max_receive_message_length", -1)])
    out = server.prediction(channel).Predict(request("half_plus_two", {"x": tf.make_tensor_proto(x)}), PATIENCE).outputs["y"]
    same(tf.make_ndarray(out), x / 2 + 3, "large")


def check_unix_socket(server):
    stub = server.prediction(server.channel("unix:" + server.socket))
    answer = stub.Predict(request("half_plus_two", {"x": floats(2)}), PATIENCE)
    equal(tf.make_ndarray(answer.outputs["y"]).tolist(), [4])


def check_tensorflow_1(server):
    r = request("tf1", {"x": tf.make_tensor_proto(np.array([[1, 0, 0], [0, 0, 1]], np.float32)),
                        "word": tf.make_tensor_proto([b"herring", b"whale"])})
    answer = predict(server, r)
    equal(tf.make_ndarray(answer.outputs["y"]).tolist(), [[1.5, 1.5], [5.5, 5.5]])
    equal(tf.make_ndarray(answer.outputs["id"]).tolist(), [1, -1])


def check_errors(server):
    good = {"x": floats(1)}
    for r, code, text in (
            (request("absent", good), StatusCode.NOT_FOUND, "Servable not found for request: Latest(absent)"),
            (request("half_plus_two", good, version=7), StatusCode.NOT_FOUND, "Servable not found for request: Specific(half_plus_two, 7)"),
            (request("half_plus_two", good, label="nope"), StatusCode.INVALID_ARGUMENT, "Unrecognized servable version label: nope"),
            (request("half_plus_two", good, "nope"), StatusCode.FAILED_PRECONDITION, 'Serving signature key "nope" not found.'),
            (request("half_plus_two", {}), StatusCode.INVALID_ARGUMENT, "input size does not match signature"),
            (request("half_plus_two", {"z": floats(1)}), StatusCode.INVALID_ARGUMENT, "z"),
            (request("half_plus_two", {"x": tf.make_tensor_proto([1, 2])}), StatusCode.INVALID_ARGUMENT, "to be float but int32 is provided"),
            (request("half_plus_two", {"x": tf.make_tensor_proto(["a"])}), StatusCode.INVALID_ARGUMENT, "to be float but string is provided"),
            (request("fixed", {"x": tf.make_tensor_proto(np.ones([1, 2], np.float32))}), StatusCode.INVALID_ARGUMENT, "Matrix size-incompatible"),
            (request("fail_on_negative", {"x": floats(-1)}), StatusCode.INVALID_ARGUMENT, "assertion failed"),
            (predict_pb2.PredictRequest(), StatusCode.INVALID_ARGUMENT, "Missing ModelSpec"),
            (request("", good), StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified.")):
        refused(lambda: predict(server, r), code, text)
    broken = request("half_plus_two", good)
    broken.inputs["x"].tensor_shape.dim[0].size = 2**40
    refused(lambda: predict(server, broken), StatusCode.INVALID_ARGUMENT)
    lacking = tf.make_tensor_proto(np.ones([4], np.float32))
    lacking.tensor_content = lacking.tensor_content[:-1]
    refused(lambda: predict(server, request("half_plus_two", {"x": lacking})), StatusCode.INVALID_ARGUMENT, "tensor parsing error: x")
