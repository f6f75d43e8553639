"""`python -m vlm_sft` runs `vlm-sft`, where the script is not on the PATH."""

from vlm_sft.cli import main

if __name__ == "__main__":
    main(prog_name="vlm-sft")
