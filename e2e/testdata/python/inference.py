"""Classify, Regress and MultiInference, over models of TensorFlow 2 and of TensorFlow 1's estimators."""
import grpc
from run import PATIENCE, equal, refused
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

StatusCode = grpc.StatusCode
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def example(**features):
    e = example_pb2.Example()
    for name, value in features.items():
        e.features.feature[name].float_list.value.append(value)
    return e


def fill(request, model, signature, *xs):
    """A request for the examples x = …; request may be of any of the three kinds."""
    if hasattr(request, "model_spec"):
        request.model_spec.name, request.model_spec.signature_name = model, signature
    request.input.example_list.examples.extend(example(x=x) for x in xs)
    return request


def classify(server, model, signature, *xs):
    return server.prediction().Classify(fill(classification_pb2.ClassificationRequest(), model, signature, *xs), PATIENCE)


def regress(server, model, signature, *xs):
    return server.prediction().Regress(fill(regression_pb2.RegressionRequest(), model, signature, *xs), PATIENCE)


def classes(result):
    return [[(c.label, c.score) for c in row.classes] for row in result.classifications]


def check_classify(server):
    answer = classify(server, "half_plus_two", "classify_x_to_y", 1.0, 2.0)
    equal(classes(answer.result), [[("", 3.5)], [("", 4.0)]])
    equal((answer.model_spec.name, answer.model_spec.version.value, answer.model_spec.signature_name),
          ("half_plus_two", 2, "classify_x_to_y"))


def check_classify_with_labels(server):
    for signature in ("", "classification"):
        answer = classify(server, "estimator", signature, 0.25, 1.0)
        equal(classes(answer.result), [[("small", 0.75), ("large", 0.25)], [("small", 0.0), ("large", 1.0)]], signature)


def check_regress(server):
    answer = regress(server, "half_plus_two", "regress_x_to_y", 1.0, 2.0)
    equal([r.value for r in answer.result.regressions], [3.5, 4.0])
    answer = regress(server, "estimator", "regression", 0.5)
    equal([r.value for r in answer.result.regressions], [2.0])


def check_context(server):
    """Features of the context count for every example; the example's own come first."""
    r = regression_pb2.RegressionRequest()
    r.model_spec.name, r.model_spec.signature_name = "half_plus_two", "regress_x_to_y"
    r.input.example_list_with_context.context.CopyFrom(example(x=10.0))
    r.input.example_list_with_context.examples.extend([example(y=1.0), example(x=2.0)])
    equal([v.value for v in server.prediction().Regress(r, PATIENCE).result.regressions], [8.0, 4.0])


def multi(*tasks):
    r = inference_pb2.MultiInferenceRequest()
    for model, signature, method in tasks:
        task = r.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = model, signature
    return fill(r, "", "", 1.0, 0.0)


def check_multi_inference(server):
    for model, regression, classification in (("half_plus_two", "regress_x_to_y", "classify_x_to_y"), ("estimator", "regression", "classification")):
        answer = server.prediction().MultiInference(multi((model, regression, REGRESS), (model, classification, CLASSIFY)), PATIENCE)
        first, second = answer.results
        equal((first.model_spec.signature_name, second.model_spec.signature_name), (regression, classification))
        alone = regress(server, model, regression, 1.0, 0.0), classify(server, model, classification, 1.0, 0.0)
        equal(first.regression_result, alone[0].result, model)
        equal(second.classification_result, alone[1].result, model)


def check_errors(server):
    stub = server.prediction()
    refused(lambda: classify(server, "absent", "", 1.0), StatusCode.NOT_FOUND, "Servable not found for request: Latest(absent)")
    refused(lambda: classify(server, "half_plus_two", "classify_x_to_y"), StatusCode.INVALID_ARGUMENT, "Input is empty.")
    refused(lambda: regress(server, "half_plus_two", "nope", 1.0), StatusCode.INVALID_ARGUMENT, "No signature was found with the name: nope")
    refused(lambda: regress(server, "multi", "", 1.0), StatusCode.INVALID_ARGUMENT)
    refused(lambda: stub.MultiInference(multi(), PATIENCE), StatusCode.INVALID_ARGUMENT)
    two = multi(("half_plus_two", "regress_x_to_y", REGRESS), ("estimator", "classification", CLASSIFY))
    refused(lambda: stub.MultiInference(two, PATIENCE), StatusCode.INVALID_ARGUMENT, "must access the same model name")
    same = multi(("half_plus_two", "regress_x_to_y", REGRESS), ("half_plus_two", "regress_x_to_y", REGRESS))
    refused(lambda: stub.MultiInference(same, PATIENCE), StatusCode.INVALID_ARGUMENT)
    unknown = multi(("half_plus_two", "regress_x_to_y", "tensorflow/serving/paint"))
    refused(lambda: stub.MultiInference(unknown, PATIENCE), StatusCode.UNIMPLEMENTED, "tensorflow/serving/paint")


def check_method_names_where_they_count(server):
    strict = type(server)(dict(vars(server), grpc=server.strict))
    equal(len(classify(strict, "estimator", "classification", 0.5).result.classifications), 1)
    equal(len(regress(strict, "estimator", "regression", 0.5).result.regressions), 1)
    # TensorFlow 2 calls every signature one of prediction.
    refused(lambda: classify(strict, "half_plus_two", "classify_x_to_y", 1.0), StatusCode.INVALID_ARGUMENT, CLASSIFY)
    refused(lambda: regress(strict, "half_plus_two", "regress_x_to_y", 1.0), StatusCode.INVALID_ARGUMENT, REGRESS)
    refused(lambda: classify(strict, "estimator", "regression", 0.5), StatusCode.INVALID_ARGUMENT, CLASSIFY)
