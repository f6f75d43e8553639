"""Parse ms-swift command lines with ms-swift's own parser; a separate process, because it imports torch.

stdin: [["sft" | "infer" | "deploy", [argument, ...]], ...]
stdout: per command line, the arguments unknown to the parser
"""

import json
import sys

from swift.arguments import DeployArguments, InferArguments, SftArguments
from transformers import HfArgumentParser

CLASSES = {"sft": SftArguments, "infer": InferArguments, "deploy": DeployArguments}


def main() -> None:
    unknown = [HfArgumentParser([CLASSES[name]]).parse_known_args(words)[1] for name, words in json.load(sys.stdin)]
    json.dump(unknown, sys.stdout)


if __name__ == "__main__":
    main()
