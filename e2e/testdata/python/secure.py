"""gRPC over TLS with client certificates. The values: grpc, the address; ca, cert and key, PEM files."""
import pathlib

import grpc
import tensorflow as tf
from predict import floats, request
from run import PATIENCE, equal, refused


def pem(path):
    return pathlib.Path(path).read_bytes()


def predict(server, credentials):
    channel = grpc.secure_channel(server.grpc, credentials)
    answer = server.prediction(channel).Predict(request("half_plus_two", {"x": floats(1)}), PATIENCE)
    return tf.make_ndarray(answer.outputs["y"]).tolist()


def check_with_a_certificate(server):
    equal(predict(server, grpc.ssl_channel_credentials(pem(server.ca), pem(server.key), pem(server.cert))), [3.5])


def check_without_a_certificate(server):
    refused(lambda: predict(server, grpc.ssl_channel_credentials(pem(server.ca))), grpc.StatusCode.UNAVAILABLE)


def check_without_tls(server):
    refused(lambda: server.prediction().Predict(request("half_plus_two", {"x": floats(1)}), PATIENCE), grpc.StatusCode.UNAVAILABLE)


def check_a_server_that_is_not_trusted(server):
    refused(lambda: predict(server, grpc.ssl_channel_credentials(pem(server.stranger))), grpc.StatusCode.UNAVAILABLE)
