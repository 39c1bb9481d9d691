#!/bin/sh
# Serves the model $MODEL_NAME of $MODEL_BASE_PATH; further flags come from the command line, and of a flag given twice the
# last one holds. The server takes this process's place, so that it gets the signals.
exec tensorflow_model_server --port=8500 --rest_api_port=8501 \
    --model_name="$MODEL_NAME" --model_base_path="$MODEL_BASE_PATH/$MODEL_NAME" "$@"
