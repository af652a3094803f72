"""What runs on scenes end with: a table, a sentence for each run, a calibration plot and a picture."""
