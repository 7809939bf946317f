"""API and command line: what people and programs ask of Stepwell, and the supervisor that runs all of it."""
