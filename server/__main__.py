"""Run the commands of the server: `python -m server`."""

from server.cli.main import cli

if __name__ == "__main__":
    cli(prog_name="python -m server")
