"""People choose between colorings: the questions that they are asked, the file of answers, what follows from them."""
