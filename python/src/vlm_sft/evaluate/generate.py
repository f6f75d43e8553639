"""Samples -> predictions, by an OpenAI-compatible server on loopback. Each answer is appended as soon as it arrives."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from vlm_sft.evaluate.client import Answer, ask, connect, openai_messages
from vlm_sft.evaluate.identity import DECODING
from vlm_sft.evaluate.predictions import Append
from vlm_sft.evaluate.servers import NAME, environment, serve
from vlm_sft.evaluate.task import Prediction, Sample

PARALLEL = {"deploy": 4, "vllm": 64}  # requests per server and per row of its batch, so that none waits for the client
REQUEST_NAMES = {"max_new_tokens": "max_tokens", "stop_words": "stop"}  # ms-swift's argument -> OpenAI's field
PROGRESS_EACH = 100  # [answers]
Messages = Sequence[Mapping[str, Any]]
Student = Callable[[Messages, Sequence[str], Mapping[str, Any]], Answer]  # messages, images, fields of the request
Predict = Callable[[Student, Sample], Prediction]


def server_arguments(args: Mapping[str, Any], engine: str) -> dict[str, Any]:
    """Return the arguments of `swift deploy`: without decoding and data, which the client has."""
    dropped = (*DECODING, "val_dataset", "result_path", "write_batch_size", "dataset")
    given = {name: value for name, value in args.items() if name not in dropped}
    return {**given, "infer_backend": "vllm" if engine == "vllm" else "transformers"}


def decoding(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request."""
    return {REQUEST_NAMES.get(name, name): args[name] for name in sorted(DECODING & set(args))}


def generate(samples: Sequence[Sample], args: Mapping[str, Any], env: Mapping[str, str], gpus: int, engine: str,
             append: Append, log: Callable[[str], None], predict: Predict | None = None) -> None:  # fmt: skip
    """Ask for every sample.

    Args:
        samples: without a prediction so far.
        args: ms-swift's arguments: model, template and decoding.
        env: the config's environment.
        gpus: of this pod; one server per GPU, or per vllm_tensor_parallel_size GPUs.
        engine: deploy or vllm.
        append: writes one prediction.
        log: takes one line for the log.
        predict: makes the prediction of a sample; by default one answer.

    Raises:
        UserError: a server ends; the predictions so far are written.
    """
    each = int(args.get("vllm_tensor_parallel_size", 1)) if engine == "vllm" else 1
    count = min(max(1, gpus // each), len(samples))
    with serve(server_arguments(args, engine), environment(env), count, gpus, log) as servers:
        batch = int(args.get("max_batch_size", 1)) if engine == "deploy" else 1
        predict = predict or one_answer(decoding(args))
        generate_with(servers.addresses, samples, predict, PARALLEL[engine] * batch, append, log, check=servers.check)


def one_answer(fields: Mapping[str, Any]) -> Predict:
    """Return the function that asks for one answer of each sample."""

    def predict(student: Student, sample: Sample) -> Prediction:
        return to_prediction(sample, student(sample.messages, sample.images, fields))

    return predict


def generate_with(
    addresses: Sequence[str],
    samples: Sequence[Sample],
    predict: Predict,
    parallel: int,
    append: Append,
    log: Callable[[str], None],
    check: Callable[[], None] = lambda: None,
) -> None:
    """Ask servers that run already, `parallel` requests at a time at each of them."""
    clients = [connect(address) for address in addresses]

    def one(number: int, sample: Sample) -> Prediction:
        client = clients[number % len(clients)]

        def student(messages: Messages, images: Sequence[str], fields: Mapping[str, Any]) -> Answer:
            return ask(client, NAME, openai_messages(messages, images), fields)

        return predict(student, sample)

    done = 0
    waiting: set[Future[Prediction]] = set()
    left = iter(enumerate(samples))
    with ThreadPoolExecutor(parallel * len(clients)) as pool:
        try:
            while True:
                while len(waiting) < parallel * len(clients) and (following := next(left, None)):
                    waiting.add(pool.submit(one, *following))
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    waiting.remove(future)
                    prediction = future.result()
                    if prediction.error:
                        check()  # the server is gone: no answer of the others can come either
                        log(f"{prediction.id}: {prediction.error}")
                    append(prediction)
                    done += 1
                    if done % PROGRESS_EACH == 0:
                        log(f"{done:,} of {len(samples):,} answers")
        except BaseException:
            pool.shutdown(cancel_futures=True, wait=False)
            raise


def to_prediction(sample: Sample, answer: Answer) -> Prediction:
    """Return the prediction with what scoring needs."""
    return Prediction(
        sample.id,
        sample.group,
        str(sample.messages[-1]["content"]),
        sample.reference,
        answer.text.strip(),
        answer.finish_reason,
        answer.prompt_tokens,
        answer.new_tokens,
        answer.error,
    )
