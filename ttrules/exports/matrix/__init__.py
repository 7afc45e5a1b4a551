"""The requirement matrix in other formats, and edited tables read back."""
