"""The verbs of the command line, one thin file each: arguments in, a call, words out."""
