#!/bin/sh
# Serves the model $MODEL_NAME of $MODEL_BASE_PATH; further flags come from the command line, and of a flag given twice the
# last one holds. The model is told by environment variables, which flags beat: beside --model_config_file it is then no
# mistake to warn of. The server takes this process's place, so that it gets the signals.
export SHOAL_MODEL_NAME="${SHOAL_MODEL_NAME:-$MODEL_NAME}"
export SHOAL_MODEL_BASE_PATH="${SHOAL_MODEL_BASE_PATH:-$MODEL_BASE_PATH/$MODEL_NAME}"
exec tensorflow_model_server --port=8500 --rest_api_port=8501 "$@"
